"""Anonymising: private persons' names, addresses and other personal details leave the prompt.

Who is known to everybody stays: characters, historic and public figures, artists whose style is
asked for, brands, places. "Image of John Doe from 12 Elm Street in shower" becomes "Image of
a person in shower".
"""

from deployments.contracts import Change
from deployments.rewriter.anonymise import wording as phrasing
from deployments.rewriter.anonymise.known_names import KnownNames
from deployments.rewriter.anonymise.privacy import People
from deployments.rewriter.anonymise.tagger import Recogniser


class Anonymiser:
    """Finds what is personal and says it in general words. Holds no state between prompts."""

    PASSES = 4
    """A change can show another name more clearly; so many times the result is read again."""

    def __init__(self, recogniser: Recogniser) -> None:
        """Takes some seconds and 290 MB: Presidio's import, which nobody else shall pay for."""
        from deployments.rewriter.anonymise.details import Finder

        self._known = KnownNames()
        self._finder, self._people = Finder(recogniser), People(self._known)

    def anonymise(self, prompt: str) -> tuple[str, tuple[Change, ...]]:
        """The prompt without what is personal, and each change in order; none if nothing is."""
        changes: list[Change] = []
        for _ in range(self.PASSES):
            findings = self._finder.find(prompt)
            people = self._people.private(prompt, findings)
            details = [
                f
                for f in findings
                if f.kind != "PERSON"
                and not (f.kind == "ADDRESS" and self._known.address(prompt[f.start : f.end]))
            ]
            edits = phrasing.edits(prompt, people, details)
            if not edits:
                break
            changes += [
                Change(kind="anonymise", before=prompt[e.start : e.end], after=e.after, why=e.why)
                for e in edits
            ]
            prompt = phrasing.applied(prompt, edits)
        return prompt, tuple(changes)
