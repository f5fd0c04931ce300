"""What the MiniLM encoders make of a text: the use's name -> one row of figures for each window."""

from collections.abc import Callable, Mapping

from torch import Tensor

from deployments.classifier.prompt import PromptEncoder
from deployments.inference.encoder import TokenEncoder
from tests.inference.golden.questions import PROMPT_WINDOW
from training.diffusion.text import TextEncoder

Rows = list[list[float]]


def uses() -> Mapping[str, Callable[[str], Rows]]:
    """All uses; a use is a function of the text."""
    tokens, prompts, captions = TokenEncoder(), PromptEncoder(PROMPT_WINDOW), TextEncoder()

    def of_tokens(text: str) -> Rows:
        return [
            [window.offsets[0][0], window.offsets[-1][1], *_figures(window.states)]
            for window in tokens.encode([text])
        ]

    def of_prompts(text: str) -> Rows:
        states, mask = prompts.states(prompts.windows(text))
        return [_figures(row[seen.bool()]) for row, seen in zip(states, mask, strict=True)]

    return {
        "encoder": of_tokens,
        "classifier": of_prompts,
        "captions": lambda text: [_figures(row) for row in captions([text])],
    }


def _figures(states: Tensor) -> list[float]:
    """Number of tokens, then two places each of the mean, the first and the last token's state."""
    rows = (states.mean(dim=0), states[0], states[-1])
    return [len(states), *(round(float(row[at]), 4) for row in rows for at in (7, 300))]
