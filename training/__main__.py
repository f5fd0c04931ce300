"""Trains every model of the miniature again: `python -m training --corpora FOLDER`.

Each step is a script of its own, with its own options, checkpoints and progress bar; they run one
after the other because each reads what those before it wrote. A step that was interrupted goes on
from its checkpoint when this is run again with `--resume`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

PICTURES = ("diffusion.autoencoder", "diffusion.unet", "diffusion.edit")
JUDGES = (
    "classifiers.classifier",
    "classifiers.head",
    "classifiers.transformation",
    "classifiers.judge",
)
LANGUAGE = ("language.guard", "language.rewriter", "language.cnn", "language.names")
CALIBRATED = ("llm", "cnn")


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains every model of the miniature.")
    parser.add_argument(
        "--corpora", type=Path, help="folder of the public prompt sets (see training/README.md)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoints")
    args = parser.parse_args()
    steps = [(name, ["--resume"] * args.resume) for name in PICTURES + JUDGES]
    if args.corpora is not None:
        folder = ["--corpora", str(args.corpora)]
        steps += [(name, folder) for name in LANGUAGE]
        steps += [("language.calibrate", [*folder, "--stage", stage]) for stage in CALIBRATED]
    for place, (name, options) in enumerate(steps, start=1):
        print(f"[{place}/{len(steps)}] training.{name}", flush=True)
        subprocess.run([sys.executable, "-m", f"training.{name}", *options], check=True)
    if args.corpora is None:
        print("guard, rewriter and names left out: they need --corpora FOLDER", flush=True)


if __name__ == "__main__":
    main()
