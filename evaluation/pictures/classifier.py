"""Measures the output classifier: `python -m evaluation.pictures.classifier --count 2000`.

Held-out captions and pairs, a seed of its own; pictures as drawn, the same through the autoencoder,
and re-made by the U-Net from a third of the schedule. Ends with one JSON line.
"""

import argparse
import json

import numpy as np
import torch

from training.classifiers.classifier import NAME, served
from training.classifiers.data import autoencoder, examples
from training.classifiers.figures import figures, score
from training.classifiers.generated import generated
from training.classifiers.pools import NOISE, decoded
from training.paths import CHECKPOINTS, MODELS


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the output classifier.")
    parser.add_argument("--count", type=int, default=2000, help="pictures of each kind")
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--threshold", type=float, default=0.5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    held_out = examples(CHECKPOINTS, NAME, args.seed, args.count, "test", workers=args.threads)
    vae = autoencoder()
    kinds = {
        "rendered": held_out.pixels,
        "decoded": np.load(decoded(held_out, args.count, vae, NOISE, args.seed)),
    }
    if (MODELS / "unet" / "config.json").is_file():
        kinds["generated"] = np.load(generated(held_out, args.count, vae, seed=args.seed))
    classifier = served(MODELS / NAME)
    print(
        json.dumps(
            {
                kind: figures(score(classifier, held_out.all, pixels), args.threshold)
                for kind, pixels in kinds.items()
            }
        )
    )


if __name__ == "__main__":
    main()
