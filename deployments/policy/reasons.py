"""The reasons that no category of a policy has, in words for the user."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from deployments.configuration import Configuration


def placeholders(*names: str) -> AfterValidator:
    """A check that a text has each of these placeholders once, and no other braces."""
    listed = " and ".join(f"{{{name}}}" for name in names)
    wanted = f"{listed} in it, each once, and no other braces" if names else "no braces in it"

    def check(text: str) -> str:
        parts = re.split(r"{(\w*)}", text)
        if sorted(parts[1::2]) != sorted(names) or re.search("[{}]", "".join(parts[::2])):
            raise ValueError(f"must have {wanted}")
        return text

    return AfterValidator(check)


Why = Annotated[str, Field(min_length=3)]
"""A reason, in words for the user."""
Fixed = Annotated[Why, placeholders()]
"""A reason into which nothing is put."""
OfCategory = Annotated[Why, placeholders("why")]
"""A reason into which that of the category is put."""
OfPerson = Annotated[Why, placeholders("noun")]
"""A reason into which the prompt's word for the person is put."""


class Changes(Configuration):
    """Reasons for single changes of a prompt.

    Those of what is private tell why a prompt is blocked too, where it may not be rewritten.
    """

    person: Fixed = Field("it names a private person", description="of a name")
    address: Fixed = Field("it gives an address", description="of a street and number")
    email: Fixed = Field("it gives an e-mail address", description="of an e-mail address")
    phone: Fixed = Field("it gives a phone number", description="of a phone number")
    plate: Fixed = Field("it gives a licence plate", description="of a licence plate")
    document: Fixed = Field(
        "it gives the number of a personal document", description="of a passport's number and such"
    )
    card: Fixed = Field(
        "it gives the number of a payment card", description="of a payment card's number"
    )
    account: Fixed = Field("it gives the number of a bank account", description="of an IBAN")
    soften: OfCategory = Field(
        "softened, because {why}", description="of what is softened; {why} is the category's reason"
    )
    generic: OfCategory = Field(
        "made generic, because {why}", description="of what is made generic; {why} as in `soften`"
    )
    ground: Fixed = Field(
        "made specific, because the scene was left open", description="of a vague scene"
    )
    diversify: OfPerson = Field(
        "the prompt does not describe the {noun}; this is drawn from the shares that the policy "
        "states",
        description="of a person who is described; {noun} is the prompt's word, as in `ceo`",
    )
    negative: OfPerson = Field(
        "no group is tied to a negative role ({noun}); skin tones are drawn, and nothing else",
        description="of a person in a negative role; {noun} as in `diversify`",
    )


class Kinds(Configuration):
    """Reasons for all changes of a kind together, for the trace.

    The audit log keeps them, so nothing of a prompt is put into them.
    """

    anonymise: Fixed = Field(
        "private persons and what is theirs were taken out",
        description="where names or details were taken out",
    )
    soften: Fixed = Field(
        "softened, because of what the guard found", description="where a prompt was softened"
    )
    generic: Fixed = Field(
        "made generic, because of what the guard found", description="where names became generic"
    )
    ground: Fixed = Field(
        "made specific, because the scene was left open",
        description="where a vague scene was made specific",
    )
    diversify: Fixed = Field(
        "people whom nobody described were described", description="where people were described"
    )


class Reasons(Configuration):
    """Reasons that no category of the policy has, in words for the user."""

    minors: Why = Field(
        "it joins a sexual cue with a cue of a minor",
        description="of the rule on minors, which is always on",
    )
    unknown: Why = Field(
        "it seems harmful, though of no kind that the policy names",
        description="where the language model finds harm of no category",
    )
    changes: Changes = Field(Changes(), description="of the rewriter's single changes")
    kinds: Kinds = Field(Kinds(), description="of each kind of rewriting, for the trace")
