"""What a policy says: categories, thresholds, actions; validated and hashed."""

import hashlib
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deployments.configuration import Configuration
from deployments.contracts import PolicyRef, RewriteKind, Score, Watch

MINORS = "sexual_minors"
"""The one category that no policy file can change: a sexual cue together with a cue of a minor."""


class Thresholds(Configuration):
    """Where a calibrated prompt score acts. `act_low` replaces `act` for `moderation: low`."""

    steer: Score = Field(0.35, description="from here on, generate with steer=True")
    act: Score = Field(0.5, description="from here on, the category's action")
    act_low: Score = Field(0.7, description="`act` when the request asks for moderation: low")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.steer <= self.act <= self.act_low:
            raise ValueError(
                f"thresholds must satisfy steer <= act <= act_low, got {self.steer!r}, "
                f"{self.act!r}, {self.act_low!r}"
            )
        return self


class CNNThresholds(Configuration):
    """What the embedding CNN may decide alone, on its calibrated P(harm of an acting category).

    The defaults leave everything to the language model. Give it less to say where a category means
    something else than it does in the default policy: it reads no descriptions.
    """

    pass_below: Score = Field(0.0, description="below, the language model is not asked")
    block_above: Score = Field(1.0, description="above, the prompt is blocked at once")
    weight: Score = Field(0.0, description="of its score in the mean with the language model's")
    examples_weight: Score = Field(0.7, description="the same for categories that have examples")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.pass_below >= self.block_above:
            raise ValueError(
                f"pass_below {self.pass_below!r} must be below block_above {self.block_above!r}"
            )
        return self


class Examples(Configuration):
    """A handful of sentences that show what a category means, for matching by embedding."""

    forbidden: Annotated[tuple[str, ...], Field(min_length=2)]
    allowed: Annotated[tuple[str, ...], Field(min_length=2)]


class Category(Configuration):
    """One thing that the policy has an opinion on."""

    code: Annotated[str, Field(pattern=r"^[A-Z]$", description="one letter, read by the LLM guard")]
    description: Annotated[str, Field(min_length=3, description="what the LLM guard looks for")]
    why: Annotated[str, Field(min_length=3, description="the reason, in words for the user")]
    action: Literal["allow", "rewrite", "steer", "block"]
    rewrite: RewriteKind | None = None
    thresholds: Thresholds | None = Field(None, description="overrides the policy's own")
    operations: tuple[Literal["generate", "edit"], ...] = ("generate", "edit")
    terms: tuple[str, ...] = Field((), description="words that pass the prompt on to the LLM")
    block_terms: tuple[str, ...] = Field((), description="words harmful in every context")
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
"""What may be drawn, and how often relative to the rest."""


class Diversity(Configuration):
    """How people whom nobody described are drawn. The keys are the words put into the prompt.

    A role that a group would be insulted by (a criminal) is given a skin tone and nothing else.
    """

    groups: Shares = Field(description='before the gender, as in "asian woman"')
    genders: Shares = Field(description='"woman", "man"')
    ages: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description='before the group, as in "elderly"; empty: nobody is given an age'
    )
    skin_tones: Shares = Field(description='for negative roles, as in "olive skin tone"')


class Manipulations(Configuration):
    """What is done to prompts that the guard lets pass, whatever they ask for."""

    anonymise: bool = Field(True, description="take private persons and their data out")
    ground: bool = Field(True, description="make vague scenes with people specific")
    diversify: Diversity | None = Field(None, description="describe people whom nobody described")
    min_similarity: Score = Field(
        0.35,
        description="cosine of the embeddings of prompt and rewrite, below which it is dropped",
    )


class EditPolicy(Configuration):
    """What happens to edits, besides what happens to every picture."""

    thresholds: Annotated[dict[str, Score], Field(min_length=1)] = Field(
        description="harm that a transformation does -> score that flags it"
    )
    alone: dict[str, Score] = Field(
        {},
        description="picture category -> score that flags an edit's output seen alone, where it "
        "differs from `output.thresholds`: two models look at an edit, so that each may be surer",
    )
    unintended: Score = Field(
        0.5, description="score from which a person counts as changed unasked, and is mended"
    )
    tries: int = Field(2, ge=0, description="attempts to mend; the best one is delivered")


class OutputPolicy(Configuration):
    """What happens to pictures. `strengths` has one entry per regeneration, rising."""

    thresholds: dict[str, Score] = Field(description="picture category -> score that flags")
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1.0, 2.0), description="steering strength of each regeneration; its length is the tries"
    )
    steer_strength: float = Field(1.0, gt=0, description="strength for prompts answered `steer`")
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
        return self


class Deadlines(Configuration):
    """Seconds that a stage may take, waiting for a replica included."""

    guard: Annotated[float, Field(gt=0)] = 20.0
    rewriter: Annotated[float, Field(gt=0)] = 30.0
    diffusion: Annotated[float, Field(gt=0)] = 120.0
    classifier: Annotated[float, Field(gt=0)] = 20.0


class Audit(Configuration):
    """What the audit log keeps of a prompt; by default only its SHA-256."""

    keep_prompts: bool = False


class Policy(Configuration):
    """A whole policy document."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    version: Annotated[str, Field(min_length=1)]
    thresholds: Thresholds = Thresholds()
    cnn: CNNThresholds = CNNThresholds()
    categories: Annotated[dict[str, Category], Field(min_length=1)]
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
        """The thresholds that hold for one category."""
        return self.categories[category].thresholds or self.thresholds

    def embedding_weight(self, category: str) -> float:
        """What the embedding stage's score of a category weighs beside the language model's."""
        shown = self.categories[category].examples
        return self.cnn.examples_weight if shown else self.cnn.weight

    def why(self, category: str) -> str:
        """The reason for a category, in words for the user."""
        if category == MINORS:
            return "it joins a sexual cue with a cue of a minor"
        return self.categories[category].why

    @cached_property
    def ref(self) -> PolicyRef:
        """Name, version and hash of the canonical JSON form."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        return PolicyRef(name=self.name, version=self.version, hash=digest[:12])
