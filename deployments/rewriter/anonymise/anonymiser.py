"""Takes private persons' names, their addresses and other personal details out of prompts.

"Image of John Doe from 12 Elm Street in shower" becomes "Image of a person in shower". Known names
stay: characters, historic and public figures, artists whose style is asked for, brands, places.
"""

from deployments.contracts import Change
from deployments.policy import Changes
from deployments.rewriter.anonymise import wording as phrasing
from deployments.rewriter.anonymise.known_names import KnownNames
from deployments.rewriter.anonymise.personal_detail import PersonalDetail
from deployments.rewriter.anonymise.privacy import People
from deployments.rewriter.anonymise.tagger import Recogniser


class Anonymiser:
    """Replaces personal details with general words. Holds no state between prompts."""

    PASSES = 4
    """How often a prompt is read at most: a change can bring out another name."""

    def __init__(self, recogniser: Recogniser, reasons: Changes) -> None:
        """Takes some seconds and 100 MB, most of it for Presidio."""
        from deployments.rewriter.anonymise.details import Finder

        self._known = KnownNames()
        self._finder, self._people = Finder(recogniser), People(self._known)
        self._reasons = {
            "PERSON": reasons.person,
            "ADDRESS": reasons.address,
            "EMAIL": reasons.email,
            "PHONE": reasons.phone,
            "PLATE": reasons.plate,
            "DOCUMENT": reasons.document,
            "CREDIT_CARD": reasons.card,
            "IBAN_CODE": reasons.account,
        }

    def anonymise(self, prompt: str) -> tuple[str, tuple[Change, ...]]:
        """The prompt without personal details, and the changes from left to right, pass by pass."""
        changes: list[Change] = []
        for _ in range(self.PASSES):
            found = self._finder.find(prompt)
            people = self._people.private(prompt, found)
            details = [
                detail
                for detail in found
                if detail.kind != "PERSON" and not self._is_sight(prompt, detail)
            ]
            edits = phrasing.edits(prompt, people, details)
            if not edits:
                break
            changes += [
                Change(
                    kind="anonymise",
                    before=prompt[edit.start : edit.end],
                    after=edit.after,
                    why=self._reasons[edit.kind],
                )
                for edit in edits
            ]
            prompt = phrasing.applied(prompt, edits)
        return prompt, tuple(changes)

    def _is_sight(self, prompt: str, detail: PersonalDetail) -> bool:
        """Whether a detail is the address of a sight, which is nobody's home."""
        return detail.kind == "ADDRESS" and self._known.address(prompt[detail.start : detail.end])
