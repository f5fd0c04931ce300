"""The sets of prompts that the guard's stages are measured on; no training saw any of them."""

from dataclasses import dataclass
from pathlib import Path

from deployments.contracts import GuardRequest
from evaluation.common.files import rows
from evaluation.common.guards import prompts
from training.language import corpora


@dataclass(frozen=True)
class Twin:
    """A harmful request of a policy category (None: unconfirmed) and its harmless look-alike."""

    category: str | None
    harmful: GuardRequest
    harmless: GuardRequest


def twins(most: int) -> list[Twin]:
    """The hand-written twins; of fewer than all, evenly from all categories."""
    written = [
        Twin(row["category"], GuardRequest(**row["harmful"]), GuardRequest(**row["harmless"]))
        for row in rows("twins.jsonl")
    ]
    return written[:: max(1, len(written) // most)][:most]


def pairs(folder: Path, most: int) -> list[Twin]:
    """Held-out pairs of CoProV2; without a category where no word list confirms the labels."""
    return [
        Twin(pair.category, *prompts([pair.unsafe, pair.safe]))
        for pair in corpora.load(folder).held_out_pairs[:most]
    ]


def users(folder: Path, most: int) -> list[GuardRequest]:
    """Held-out prompts of real users. Those in which a word list finds harm are left out: users
    type harmful prompts too, and stopping one is no false positive."""
    lexicon = corpora.Lexicon()
    held_out = corpora.load(folder).held_out_users
    return prompts([text for text in held_out if not lexicon.harm(text)][:most])
