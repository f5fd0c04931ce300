"""Text from template grammars: `(a|b|)` is a choice, `<slot>` stands for a filler of that slot."""

import random
import re

_INNERMOST = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"<([a-z_]+?)(\d*)>")


def expand(template: str, slots: dict[str, str], rng: random.Random, bound: dict[str, str]) -> str:
    """A text made from a template.

    `bound` keeps the fillers, so that two templates expanded with the same `bound` agree on them;
    `<slot2>` is a second filler of `slot`.

    Raises:
        KeyError: the template names a slot that does not exist.
    """

    def fill(match: re.Match[str]) -> str:
        whole, name = match[0], match[1]
        if whole not in bound:
            bound[whole] = expand(slots[name], slots, rng, bound)
        return bound[whole]

    text = choose(template, rng)
    while _SLOT.search(text):
        text = _SLOT.sub(fill, text)
    return " ".join(text.split()).replace(" ,", ",")


def choose(text: str, rng: random.Random) -> str:
    """`text` with every choice `(a|b|)` made, innermost first; slots stay."""
    while match := _INNERMOST.search(text):
        text = text[: match.start()] + rng.choice(match[1].split("|")) + text[match.end() :]
    return text
