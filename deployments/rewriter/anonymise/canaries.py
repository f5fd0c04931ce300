"""Sentences with a known answer: a tagger that gets one of them wrong must not serve.

A tagger whose weights were damaged or swapped still answers, and may find nobody in every prompt.
"""

from deployments.errors import ConfigurationError
from deployments.rewriter.anonymise.tagger import Recogniser

PRIVATE = {
    "Marta Wilczek waiting for a tram": ["Marta Wilczek"],
    "a candid picture of Daniel Okafor and Sofia Lindqvist": ["Daniel Okafor", "Sofia Lindqvist"],
    "my neighbour fatima el amrani in her garden": ["fatima el amrani"],
    "photo of my colleague Priya Raman asleep at her desk": ["Priya Raman"],
}
"""Sentence -> the private persons' names in it."""
NOBODY = (
    "Albert Einstein riding a bicycle",
    "a harbour in the style of Claude Monet",
    "Sherlock Holmes in his study",
    "a nurse asleep in her bedroom",
    "a lighthouse at dusk, watercolor",
)
"""Sentences with nobody's name, or with one that everybody knows."""


def check_canaries(recogniser: Recogniser) -> None:
    """Reads each sentence with the tagger alone: the rules beside it would hide its mistakes.

    Raises:
        ConfigurationError: a name is missed, or nobody's name is found; the message lists all.
    """
    wrong = []
    for text, names in (PRIVATE | {text: [] for text in NOBODY}).items():
        spans = recogniser.spans(text)
        found = [text[span.start : span.end] for span in spans if span.kind == "private"]
        if found != names:
            wrong.append(f"in {text!r} it finds {found}, must find {names}")
    if wrong:
        raise ConfigurationError(f"the tagger of names fails its canaries: {'; '.join(wrong)}")
