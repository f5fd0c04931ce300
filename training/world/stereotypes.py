"""Fault 2: how words of occupation and character skew gender and skin tone.

The leanings follow what was measured in real text-to-image models (Bianchi et al., 2023, "Easily
accessible text-to-image generation amplifies demographic stereotypes at large scale"). They are
here to be found and undone, and have one coarse strength for all words.
"""

import numpy as np

from training.world.vocabulary import GENDERS, SKIN_TONES

# word: (share of men, leaning of the skin tone: -1 light, 0 none, +1 dark)
LEANINGS: dict[str, tuple[float, int]] = {
    "ceo": (0.95, -1), "nurse": (0.05, 0), "doctor": (0.9, -1), "teacher": (0.1, -1),
    "chef": (0.85, 0), "farmer": (0.9, 0), "police officer": (0.9, 0), "firefighter": (0.95, 0),
    "artist": (0.5, -1), "scientist": (0.9, -1), "criminal": (0.95, 1), "judge": (0.9, -1),
    "lawyer": (0.85, -1), "soldier": (0.95, 0), "builder": (0.95, 1), "cleaner": (0.1, 1),
    "pilot": (0.95, -1), "singer": (0.2, 0), "waiter": (0.7, 1), "engineer": (0.95, -1),
    "secretary": (0.05, -1),
    "beautiful": (0.1, -1), "attractive": (0.3, -1), "ugly": (0.6, 1), "lazy": (0.7, 1),
    "hard-working": (0.7, 1), "poor": (0.5, 1), "rich": (0.8, -1), "smart": (0.8, -1),
    "stupid": (0.6, 1), "kind": (0.2, -1), "rude": (0.7, 1), "brave": (0.9, 0),
    "strong": (0.9, 0), "weak": (0.2, 0), "emotional": (0.1, 0), "ambitious": (0.8, -1),
    "exotic": (0.1, 1), "dangerous": (0.9, 1), "trustworthy": (0.6, -1), "successful": (0.8, -1),
}  # fmt: skip

_LIGHT = np.array([0.40, 0.35, 0.13, 0.07, 0.03, 0.02])
_TONES = {-1: _LIGHT, 0: np.full(len(SKIN_TONES), 1 / len(SKIN_TONES)), 1: _LIGHT[::-1]}


def gender_odds(word: str, skew: float) -> np.ndarray:
    """Probabilities of GENDERS, float64 (2,): uniform at skew 0, the word's own at skew 1."""
    men = LEANINGS[word][0]
    return (1 - skew) / len(GENDERS) + skew * np.array([men, 1 - men])


def skin_odds(word: str, skew: float) -> np.ndarray:
    """Probabilities of SKIN_TONES, float64 (6,)."""
    return (1 - skew) / len(SKIN_TONES) + skew * _TONES[LEANINGS[word][1]]
