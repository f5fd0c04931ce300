"""What passes between deployments: frozen values without behaviour, pictures as bytes.

Scores are probabilities in [0, 1] on one calibrated scale, whichever stage gave them: 0.5 is the
policy's neutral point. Times are milliseconds. Seeds are 0 to 2**32 - 1.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Action = Literal["allow", "rewrite", "steer", "block"]
Operation = Literal["generate", "edit"]
RewriteKind = Literal["anonymise", "soften", "ground", "diversify", "generic"]
Score = Annotated[float, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
CheckPoint = Annotated[float, Field(gt=0.0, lt=1.0)]
Subject = Literal["prompt", "proposal"]
MAX_IMAGE_GUIDANCE = 10.0
"""The highest weight of the given picture in an edit."""
TRACE_SCHEMA = 1
"""The version of the form of `Safety`. It rises when a reader of the old form would misread it."""


class Contract(BaseModel):
    """Base of all messages: immutable, unknown fields refused, safe to print."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Picture(Contract):
    """A decoded-and-re-encoded RGB picture.

    `png` holds lossless 8-bit RGB; `sha256` is the hex digest of its raw pixels (height x width x 3
    bytes, row-major), so that a verdict can be tied to exactly these pixels.
    """

    png: Annotated[bytes, Field(repr=False)]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StageRecord(Contract):
    """One line of a trace: which stage did what, and why, in words that a user may read.

    `about` says whether a prompt's stage judged the user's prompt or what the rewriter proposed.
    """

    stage: str
    action: str
    category: str | None = None
    score: Score | None = None
    why: str = ""
    about: Subject = "prompt"
    ms: Annotated[float, Field(ge=0.0)] = 0.0


class GuardRequest(Contract):
    """A prompt to be judged, whole. `loosen` asks for the policy's looser prompt thresholds."""

    prompt: Annotated[str, Field(repr=False)]
    negative_prompt: Annotated[str, Field(repr=False)] = ""
    operation: Operation = "generate"
    loosen: bool = False


class PolicyRef(Contract):
    """Which policy decided: name, version and the first 12 hex digits of its canonical SHA-256."""

    name: str
    version: str
    hash: str


class PromptVerdict(Contract):
    """The guard's answer. `scores` has every category of the policy.

    `category` and `score` belong to the category that decided; for `allow` they are the highest
    scoring acting category. `rewrite` is set exactly when `action` is `rewrite`. `policy` decided:
    its word lists may be newer than those that the caller knows.
    """

    policy: PolicyRef
    action: Action
    category: str | None
    score: Score
    why: str
    stage: str
    scores: dict[str, Score]
    rewrite: RewriteKind | None = None
    stages: tuple[StageRecord, ...] = ()


class Screening(Contract):
    """What the guard's cheap stages found where they leave the decision to the language model.

    It is handed back with the prompt, so that nothing is read twice. `policy` is the one under
    which it was found. `listed` and `seen` are tables of scores by category: of
    the word lists, and of the embedding stage for each piece that it read.
    """

    policy: PolicyRef
    stages: tuple[StageRecord, ...] = ()
    listed: tuple[dict[str, Score], ...] = ()
    seen: tuple[dict[str, Score], ...] = ()


class RewriteRequest(Contract):
    """A prompt to be made safer, for `n` pictures.

    `kinds` are what policy and verdict ask for, in any order; `category` is what the guard found,
    where that is why.
    """

    prompt: Annotated[str, Field(repr=False)]
    kinds: Annotated[tuple[RewriteKind, ...], Field(min_length=1)]
    category: str | None = None
    n: Annotated[int, Field(ge=1)] = 1
    seed: Seed = 0


class Change(Contract):
    """One disclosed edit of a prompt; `before` and `after` are the replaced and the new text."""

    kind: RewriteKind
    before: Annotated[str, Field(repr=False)]
    after: Annotated[str, Field(repr=False)]
    why: str


class Version(Contract):
    """A prompt, and every change that made it out of the user's, in order."""

    prompt: Annotated[str, Field(repr=False)]
    changes: tuple[Change, ...] = ()


class Rewrite(Contract):
    """The rewriter's answer.

    `safe` is the prompt after what harms somebody was taken out (anonymise, soften, generic). A
    kind that was asked for and is not among its changes could not be done. `pictures` has a version
    for each picture, after what merely improves the prompt too (ground, diversify).
    """

    safe: Version
    pictures: Annotated[tuple[Version, ...], Field(min_length=1)]
    stages: tuple[StageRecord, ...] = ()


class Watch(Contract):
    """When a trajectory is checked in mid-flight, and what turns it.

    `check_points` are shares of the schedule, rising; `thresholds` give the score of the
    noise-aware head, per category, above which the trajectory is steered from there on with
    `strength`.
    """

    check_points: Annotated[tuple[CheckPoint, ...], Field(min_length=1)]
    thresholds: Annotated[dict[str, Score], Field(min_length=1)]
    strength: Annotated[float, Field(gt=0.0)] = 1.0

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.check_points) != sorted(set(self.check_points)):
            raise ValueError(f"check_points must rise, got {list(self.check_points)!r}")
        return self


class GenerationRequest(Contract):
    """One picture to be denoised.

    With `image` that picture is edited by the prompt, which is an instruction then; with `mask` too
    it is painted anew where the mask is white, and the prompt says what the whole shall show. Both
    are as large as the picture to be made. `image_guidance_scale` is the weight of the picture in
    an edit. `watch` has it checked and turned in mid-flight. `let_in` passes by the engine's door,
    where that was asked before. `steer` has it steered from the first step on, away from
    `category`; `strength` scales the steering (0 means off, 1 is the head's own Polyak step and the
    concept branch's own scale). Width and height are pixels.
    """

    request_id: str
    prompt: Annotated[str, Field(repr=False)]
    negative_prompt: Annotated[str, Field(repr=False)] = ""
    seed: Seed
    steps: Annotated[int, Field(ge=1, le=200)]
    guidance_scale: Annotated[float, Field(ge=0.0, le=30.0)]
    width: Annotated[int, Field(ge=8)]
    height: Annotated[int, Field(ge=8)]
    image: Picture | None = None
    mask: Picture | None = None
    image_guidance_scale: Annotated[float, Field(ge=1.0, le=MAX_IMAGE_GUIDANCE)] = 1.5
    steer: bool = False
    strength: Annotated[float, Field(ge=0.0)] = 0.0
    category: str | None = None
    watch: Watch | None = None
    let_in: bool = False

    @model_validator(mode="after")
    def _pictures_fit(self) -> Self:
        if self.mask is not None and self.image is None:
            raise ValueError("a mask needs an image")
        for given in (self.image, self.mask):
            if given and (given.width, given.height) != (self.width, self.height):
                raise ValueError(
                    f"the picture is {given.width}x{given.height}, "
                    f"what is to be made {self.width}x{self.height}"
                )
        return self


class Generation(Contract):
    """One finished, not yet checked picture. It may leave only through the walk.

    `steps` counts the scheduler's steps really made, `row_steps` the rows of the denoiser's calls;
    `turned_at_step` is the first steered step or None; `turned_for` is the category that a check in
    mid-flight flagged; `score_before` is the head's score when steering set in; `usage` counts are
    in tokens and latent positions.
    """

    picture: Picture
    seed: Seed
    steps: Annotated[int, Field(ge=0)]
    row_steps: Annotated[int, Field(ge=0)] = 0
    turned_at_step: int | None = None
    turned_for: str | None = None
    score_before: Score | None = None
    prompt_tokens: Annotated[int, Field(ge=0)] = 0
    latent_positions: Annotated[int, Field(ge=0)] = 0
    ms: Annotated[float, Field(ge=0.0)] = 0.0


class PictureRequest(Contract):
    """A picture to be judged: the edit's input or None, the user's own prompt, the output."""

    input: Picture | None = None
    prompt: Annotated[str, Field(repr=False)]
    output: Picture


class PictureVerdict(Contract):
    """The output classifier's answer, bound to the judged pixels by `sha256`.

    Of an edit, `scores` are the higher of what the output shows and what the transformation does;
    `unintended` are the scores of what of a person changed though nobody asked, and `changed` the
    names of those that the policy calls so. They alone flag nothing: such an edit is mended.
    """

    flagged: bool
    category: str | None
    score: Score
    scores: dict[str, Score]
    why: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    unintended: dict[str, Score] = {}
    changed: tuple[str, ...] = ()
    ms: Annotated[float, Field(ge=0.0)] = 0.0


class TryVerdict(Contract):
    """The part of a picture's verdict that a trace shows; `changed` as in `PictureVerdict`."""

    flagged: bool
    category: str | None
    score: Score
    changed: tuple[str, ...] = ()


class Try(Contract):
    """One attempt at one picture. `index` is the picture's place among the n asked for."""

    index: Annotated[int, Field(ge=0)]
    seed: Seed
    steer: bool
    strength: float
    steps: int
    turned_at_step: int | None
    score_before: Score | None
    verdict: TryVerdict


Decision = Literal["delivered", "refused", "blocked", "unavailable"]


class Safety(Contract):
    """The trace that every response carries under `safety`, and the audit log keeps.

    `schema` is the version of this form. `size` is the true size of the pictures before any resize,
    `refused` the indices that the output classifier withheld; both only where pictures were asked
    for.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    schema_version: int = Field(TRACE_SCHEMA, alias="schema")
    request_id: str
    decision: Decision
    policy: PolicyRef
    stages: tuple[StageRecord, ...] = ()
    tries: tuple[Try, ...] = ()
    size: str | None = None
    refused: tuple[int, ...] = ()
