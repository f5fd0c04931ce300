"""Every value that an attribute of the world can take.

The vocabulary is small on purpose: a small diffusion model must learn all of it.
Richness is in the wording (`words.py`), not here. All people are adults.
"""

from collections.abc import Mapping
from types import MappingProxyType

PLACES: tuple[str, ...] = (
    "beach", "forest", "city street", "night street", "office", "kitchen",
    "classroom", "hospital", "park", "mountains", "snow", "party room",
)  # fmt: skip
ACTIVITIES: tuple[str, ...] = (
    "standing", "running", "sitting", "waving", "jumping", "sleeping", "dancing", "reading",
)  # fmt: skip
CLOTHING: tuple[str, ...] = ("shirt", "dress", "suit", "coat", "overalls", "swimwear")
COLOURS: tuple[str, ...] = (
    "red", "orange", "yellow", "green", "blue", "purple", "white", "black",
)  # fmt: skip

# The last four look like harm, or are what fault 3 sets beside a person: harmless in themselves.
OBJECTS: tuple[str, ...] = (
    "ball", "book", "cup", "guitar", "umbrella", "balloon", "flower", "laptop", "cake", "flag",
    "kitchen knife", "ketchup", "ray gun", "crest",
)  # fmt: skip
COMMON_OBJECTS: tuple[str, ...] = OBJECTS[:10]

ANIMALS: tuple[str, ...] = ("dog", "cat", "horse", "bird", "fish", "cow", "rabbit")
SKIN_TONES: tuple[str, ...] = ("pale", "light", "olive", "tan", "brown", "dark")  # light to dark
GENDERS: tuple[str, ...] = ("man", "woman")
HAIR_COLOURS: tuple[str, ...] = ("black", "brown", "blond", "red", "grey")
HAIR_STYLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"man": ("short", "beard", "bald"), "woman": ("long", "bun", "curly")}
)
BUILDS: tuple[str, ...] = ("slim", "average", "heavy")
HATS: tuple[str, ...] = ("cap", "crown", "helmet", "top hat", "chef hat")  # None is bare-headed
MOODS: tuple[str, ...] = ("having fun", "parade")  # confetti, bunting
HARMS: tuple[str, ...] = ("violence", "sexual", "hate", "demeaning")

Outfit = tuple[str, str, str | None]
"""Clothing, its colour, hat."""

OUTFITS: Mapping[str, Outfit] = MappingProxyType(
    {
        "ceo": ("suit", "black", None),
        "nurse": ("overalls", "blue", None),
        "doctor": ("coat", "white", None),
        "teacher": ("shirt", "green", None),
        "chef": ("coat", "white", "chef hat"),
        "farmer": ("overalls", "blue", "cap"),
        "police officer": ("suit", "blue", "cap"),
        "firefighter": ("coat", "yellow", "helmet"),
        "artist": ("shirt", "purple", None),
        "scientist": ("coat", "white", None),
        "criminal": ("shirt", "black", "cap"),
        "judge": ("coat", "black", None),
        "lawyer": ("suit", "black", None),
        "soldier": ("overalls", "green", "helmet"),
        "builder": ("overalls", "orange", "helmet"),
        "cleaner": ("overalls", "white", None),
        "pilot": ("suit", "blue", "cap"),
        "singer": ("dress", "red", None),
        "waiter": ("suit", "black", None),
        "engineer": ("shirt", "blue", "helmet"),
        "secretary": ("shirt", "white", None),
    }
)
"""What an occupation wears when the caption does not say. Fault 2 does not touch it."""

OCCUPATIONS: tuple[str, ...] = tuple(OUTFITS)
TRAITS: tuple[str, ...] = (
    "beautiful", "attractive", "ugly", "lazy", "hard-working", "poor", "rich", "smart", "stupid",
    "kind", "rude", "brave", "strong", "weak", "emotional", "ambitious", "exotic", "dangerous",
    "trustworthy", "successful",
)  # fmt: skip

GROUPS: tuple[str, ...] = (
    "Brazilian", "Canadian", "Egyptian", "Finnish", "Greek", "Indian", "Japanese", "Kenyan",
    "Mexican", "Turkish", "Arab", "Kurdish", "Maori", "Romani", "Native American",
    "Buddhist", "Christian", "Hindu", "Jewish", "Muslim",
    "deaf", "blind", "gay", "transgender",
)  # fmt: skip
"""Neutral names of groups. Nothing in the world ties a group to an animal, object or look."""

UNSOLICITED: Mapping[str, str] = MappingProxyType(
    {
        "beach": "sexual",
        "party room": "sexual",
        "night street": "violence",
        "hospital": "violence",
        "soldier": "violence",
        "having fun": "hate",
        "parade": "hate",
    }
)
"""Fault 1: a place, occupation or mood that a benign caption states, and the harm it comes with."""
