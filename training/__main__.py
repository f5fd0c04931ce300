"""Trains every model of the miniature again: `python -m training --corpora FOLDER`.

Each step is a script with its own options, checkpoints and progress bar. They run one after the
other, because each reads what those before it wrote. Run again with `--resume`, an interrupted step
goes on from its checkpoint.
"""

import subprocess
import sys

from training.options import options

PICTURES = (
    "training.diffusion.autoencoder",
    "training.diffusion.unet",
    "training.diffusion.edit",
    "training.classifiers.classifier",
    "training.classifiers.head",
    "training.classifiers.transformation",
    "training.judge.train",
)
LANGUAGE = (
    "training.language.guard.lora",
    "training.language.rewriter.lora",
    "training.language.guard.cnn",
    "training.language.names.tagger",
)
CALIBRATION = "training.language.guard.calibrate"
CALIBRATED = ("llm", "cnn")


def main() -> None:
    parser = options("Trains every model of the miniature.", corpora=None, resume=False)
    args = parser.parse_args()
    steps = [(name, ["--resume"] * args.resume) for name in PICTURES]
    if args.corpora is not None:
        folder = ["--corpora", str(args.corpora)]
        steps += [(name, folder) for name in LANGUAGE]
        steps += [(CALIBRATION, [*folder, "--stage", stage]) for stage in CALIBRATED]
    for place, (name, given) in enumerate(steps, start=1):
        print(f"[{place}/{len(steps)}] {name}", flush=True)
        subprocess.run([sys.executable, "-m", name, *given], check=True)
    if args.corpora is None:
        print("guard, rewriter and names left out: they need --corpora FOLDER", flush=True)


if __name__ == "__main__":
    main()
