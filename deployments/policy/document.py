"""The parts of a policy: categories, thresholds, actions and reasons; validated and hashed."""

import hashlib
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deployments.configuration import Configuration
from deployments.contracts import PolicyRef, RewriteKind, Score, Watch
from deployments.policy.reasons import Reasons, Why, placeholders

MINORS = "sexual_minors"
"""The category that no policy file can change: a sexual cue together with a cue of a minor."""


class Thresholds(Configuration):
    """The calibrated prompt scores from which something is done."""

    steer: Score = Field(0.35, description="from this score, generate with steer=True")
    act: Score = Field(0.5, description="from this score, the category's action")
    act_low: Score = Field(0.7, description="replaces `act` for requests with moderation: low")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.steer <= self.act <= self.act_low:
            raise ValueError(
                f"thresholds must satisfy steer <= act <= act_low, got {self.steer!r}, "
                f"{self.act!r}, {self.act_low!r}"
            )
        return self


class CNNThresholds(Configuration):
    """What the embedding CNN may decide alone, by its calibrated P(harm of an acting category).

    The defaults leave everything to the language model. The CNN reads no descriptions: let it
    decide less where a category differs from that of the default policy.
    """

    pass_below: Score = Field(0.0, description="below, the language model is not asked")
    block_above: Score = Field(1.0, description="above, the prompt is blocked at once")
    weight: Score = Field(
        0.0, description="weight of its score in the mean with the language model's"
    )
    examples_weight: Score = Field(0.7, description="`weight` of categories that have examples")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.pass_below >= self.block_above:
            raise ValueError(
                f"pass_below {self.pass_below!r} must be below block_above {self.block_above!r}"
            )
        return self


class Examples(Configuration):
    """A few sentences that show what a category means; prompts are compared by embedding."""

    forbidden: Annotated[tuple[str, ...], Field(min_length=2)]
    allowed: Annotated[tuple[str, ...], Field(min_length=2)]


class Category(Configuration):
    """A kind of content, and what is done about it."""

    code: Annotated[str, Field(pattern=r"^[A-Z]$", description="one letter, read by the LLM guard")]
    description: Annotated[str, Field(min_length=3, description="what the LLM guard looks for")]
    why: Why = Field(description="the reason, in words for the user")
    action: Literal["allow", "rewrite", "steer", "block"]
    rewrite: RewriteKind | None = None
    thresholds: Thresholds | None = Field(None, description="overrides the policy's own")
    operations: tuple[Literal["generate", "edit"], ...] = ("generate", "edit")
    terms: tuple[str, ...] = Field((), description="words that pass the prompt on to the LLM")
    block_terms: tuple[str, ...] = Field((), description="words that are harmful in every context")
    exceptions: tuple[str, ...] = Field((), description="phrases in which such words are harmless")
    examples: Examples | None = Field(None, description="few-shot sentences, no training needed")
    openai: tuple[str, ...] = Field((), description="moderation categories of the OpenAI API")

    @model_validator(mode="after")
    def _rewrite_names_its_kind(self) -> Self:
        if (self.action == "rewrite") != (self.rewrite is not None):
            raise ValueError(
                f"action {self.action!r} with rewrite {self.rewrite!r}: give `rewrite` exactly "
                "when the action is 'rewrite'"
            )
        return self

    @property
    def flags(self) -> bool:
        """Whether a score over the threshold counts as `flagged` in a moderation result."""
        return self.action == "block" or self.rewrite == "soften"


Shares = Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
"""Words to draw from, each with its frequency relative to the others."""


class Diversity(Configuration):
    """How people whom the prompt does not describe are described. The keys are put into the prompt.

    A role that would insult a group, such as a criminal, is given a skin tone and nothing else.
    """

    groups: Shares = Field(description='before the gender, as in "asian woman"')
    genders: Shares = Field(description='"woman", "man"')
    ages: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description='before the group, as in "elderly"; empty: no age is added'
    )
    skin_tones: Shares = Field(description='for negative roles, as in "olive skin tone"')


class Manipulations(Configuration):
    """What is done to every prompt that the guard lets pass."""

    anonymise: bool = Field(True, description="remove private persons and their data")
    ground: bool = Field(True, description="make vague scenes with people specific")
    diversify: Diversity | None = Field(
        None, description="describe people whom the prompt does not"
    )
    min_similarity: Score = Field(
        0.35,
        description="cosine of the embeddings of prompt and rewrite; a lower one drops the rewrite",
    )


class EditPolicy(Configuration):
    """What happens to edits, in addition to what happens to every picture."""

    thresholds: Annotated[dict[str, Score], Field(min_length=1)] = Field(
        description="harm that a transformation does -> score that flags it"
    )
    why: dict[str, Why] = Field(description="harm -> the reason, in words for the user")
    changed: dict[str, Why] = Field(
        {}, description="attribute of a person -> what the user reads where it changed unasked"
    )
    alone: dict[str, Score] = Field(
        {},
        description="picture category -> score that flags an edit's output by itself, where it "
        "differs from `output.thresholds`; two models score an edit, so each may flag less",
    )
    unintended: Score = Field(
        0.5, description="score from which a person counts as changed unasked, and is mended"
    )
    tries: int = Field(2, ge=0, description="attempts to mend; the best one is delivered")
    held: dict[str, str] = Field(
        {}, description='attribute of a person -> its name in an instruction, as in "the skin tone"'
    )
    holding: Annotated[str, placeholders("instruction", "attributes")] = Field(
        "{instruction}, keep {attributes}",
        description="the instruction of a mend: what was asked, and what must stay",
    )
    closer: float = Field(
        0.5, ge=0, description="what each mend adds to the weight of the given picture"
    )

    @model_validator(mode="after")
    def _every_harm_has_a_reason(self) -> Self:
        _check_reasons(self.thresholds, self.why)
        return self


class OutputPolicy(Configuration):
    """What happens to pictures."""

    thresholds: dict[str, Score] = Field(description="picture category -> score that flags")
    why: dict[str, Why] = Field(description="picture category -> the reason, in words for the user")
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1.0, 2.0),
        description="steering strength of each regeneration, rising; no more are tried",
    )
    steer_strength: float = Field(
        1.0, gt=0, description="steering strength for prompts with the verdict `steer`"
    )
    edits: EditPolicy | None = Field(None, description="None: pictures cannot be edited")
    watch: Watch | None = Field(
        None, description="checks in mid-flight; their thresholds belong to the diffusion's head"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if list(self.strengths) != sorted(self.strengths):
            raise ValueError(f"strengths must rise with the try, got {list(self.strengths)!r}")
        if self.edits and (odd := sorted(self.edits.alone.keys() - self.thresholds.keys())):
            raise ValueError(f"edits.alone names {odd[0]!r}, which has no output threshold")
        _check_reasons(self.thresholds, self.why)
        return self


def _check_reasons(thresholds: dict[str, float], why: dict[str, str]) -> None:
    if silent := sorted(thresholds.keys() - why.keys()):
        raise ValueError(f"`why` has no reason for {', '.join(map(repr, silent))}")


class Deadlines(Configuration):
    """Seconds that a stage may take, including the wait for a replica."""

    guard: Annotated[float, Field(gt=0)] = 20.0
    rewriter: Annotated[float, Field(gt=0)] = 30.0
    diffusion: Annotated[float, Field(gt=0)] = 120.0
    classifier: Annotated[float, Field(gt=0)] = 20.0


class Audit(Configuration):
    """Whether the audit log keeps prompts; by default it keeps only their SHA-256."""

    keep_prompts: bool = False


class Policy(Configuration):
    """A whole policy document."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    version: Annotated[str, Field(min_length=1)]
    thresholds: Thresholds = Thresholds()
    cnn: CNNThresholds = CNNThresholds()
    categories: Annotated[dict[str, Category], Field(min_length=1)]
    reasons: Reasons = Reasons()
    manipulations: Manipulations = Manipulations()
    output: OutputPolicy
    deadlines: Deadlines = Deadlines()
    audit: Audit = Audit()

    @model_validator(mode="after")
    def _codes_are_unique(self) -> Self:
        by_code: dict[str, str] = {}
        for name, category in self.categories.items():
            if other := by_code.get(category.code):
                raise ValueError(
                    f"categories {other!r} and {name!r} share the code {category.code!r}"
                )
            by_code[category.code] = name
        return self

    @model_validator(mode="after")
    def _minors_is_reserved(self) -> Self:
        if MINORS in self.categories:
            raise ValueError(f"{MINORS!r} is a rule, always on; remove it from the policy file")
        return self

    def thresholds_of(self, category: str) -> Thresholds:
        """The category's own thresholds, or else the policy's."""
        return self.categories[category].thresholds or self.thresholds

    def embedding_weight(self, category: str) -> float:
        """The weight of the embedding stage's score in the mean with the language model's."""
        shown = self.categories[category].examples
        return self.cnn.examples_weight if shown else self.cnn.weight

    def why(self, category: str | None) -> str:
        """The reason for a category, in words for the user; None: harm of no known category."""
        if category is None:
            return self.reasons.unknown
        return self.reasons.minors if category == MINORS else self.categories[category].why

    @cached_property
    def ref(self) -> PolicyRef:
        """Name, version and hash of the canonical JSON form."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        return PolicyRef(name=self.name, version=self.version, hash=digest[:12])
