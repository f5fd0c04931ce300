"""Finds pairs of the public sets with doubtful labels, by cross-validation.

    python -m training.language.noise --corpora FOLDER

A logistic regression on sentence embeddings learns `unsafe` from four fifths of the pairs and
scores the last fifth (Northcutt et al., 2021, "Confident Learning", in its simplest form). A pair
is doubtful if the scores rank its two sides the wrong way round, or if either side clearly scores
as the other. Both sides of a pair are in the same fold. The script writes the keys of doubtful
pairs to `tables/doubtful_pairs.txt`; training drops these pairs.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from deployments.inference.encoder import TokenEncoder, Window
from training.language.corpora import DOUBTFUL, Lexicon, all_pairs
from training.options import REQUIRED, options
from training.paths import CHECKPOINTS

FOLDS = 5
CLEARLY = 0.8


@dataclass(frozen=True)
class Agreement:
    """Out-of-fold P(unsafe) of both sides of N pairs, float64 [N] each."""

    unsafe: NDArray[np.float64]
    safe: NDArray[np.float64]

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """bool [N]: pairs that training should drop."""
        return (self.unsafe <= self.safe) | (self.unsafe < 1 - CLEARLY) | (self.safe > CLEARLY)


def agreement(unsafe: Sequence[str], safe: Sequence[str], cache: Path) -> Agreement:
    """Scores all pairs. The embeddings take minutes and are kept in `cache`."""
    features = np.concatenate([_embedded(unsafe, cache), _embedded(safe, cache)])
    count = len(unsafe)
    truth = np.repeat([1, 0], count)
    fold = np.random.default_rng(0).permutation(count) % FOLDS
    both = np.tile(fold, 2)
    found = np.zeros(2 * count)
    for held_out in range(FOLDS):
        seen, unseen = both != held_out, both == held_out
        model = LogisticRegression(max_iter=300, C=4.0).fit(features[seen], truth[seen])
        found[unseen] = model.predict_proba(features[unseen])[:, 1]
    return Agreement(found[:count], found[count:])


def _embedded(texts: Sequence[str], cache: Path) -> NDArray[np.float32]:
    """float32 [N, 384]: mean of the token states, unit length."""
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
    file = cache / f"embedded-{digest}.npy"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        encoder, rows = TokenEncoder(), []
        for start in range(0, len(texts), 1024):
            rows += [
                torch.nn.functional.normalize(window.states.mean(0), dim=0).numpy()
                for window in _first_windows(encoder, texts[start : start + 1024])
            ]
        np.save(file, np.stack(rows).astype(np.float32))
    return np.load(file)


def _first_windows(encoder: TokenEncoder, texts: Sequence[str]) -> list[Window]:
    first = {window.text: window for window in reversed(encoder.encode(texts))}
    return [first[i] for i in range(len(texts))]


def main() -> None:
    parser = options(__doc__, corpora=REQUIRED, cache=CHECKPOINTS)
    args = parser.parse_args()
    pairs = all_pairs(args.corpora, Lexicon())
    found = agreement([p.unsafe for p in pairs], [p.safe for p in pairs], args.cache).doubtful
    keys = [pair.key for pair, doubtful in zip(pairs, found, strict=True) if doubtful]
    DOUBTFUL.write_text("\n".join(keys) + "\n", encoding="utf-8")
    print(json.dumps({"pairs": len(pairs), "doubtful": len(keys)}))


if __name__ == "__main__":
    main()
