"""Model calls of different requests as one: put together by rows, and taken apart again.

A pipeline's call has rows of its own, such as the prompt and the negative prompt. Tensors whose
first axis counts these rows are laid end to end. A timestep without an axis becomes one per row, as
U-Nets and transformers take it. Values that the rows of a call share (position ids, options) must
be equal in all calls that run as one, and so are part of their bucket.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import torch

SHARED = frozenset(("img_ids", "txt_ids"))
"""Position ids of transformers: without a row axis, and equal where shapes are."""
Ask: TypeAlias = Callable[["Call"], Any]
"""Has a call run, by itself or together with others, and gives its own output."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a model, as a pipeline makes it.

    Attributes:
        model: takes `args` and `kwargs`; the same for all requests, so that calls can run as one.
        rows: length of the first axis of its batched tensors.
        lane: the request's; calls of different lanes never run as one.
        step: whether it is one of the calls that the request's demand counts.
    """

    model: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    rows: int
    lane: Hashable = None
    step: bool = True

    @cached_property
    def bucket(self) -> Hashable:
        """Equal for calls that can run as one."""
        own = (*_signature(self.args, self.rows, ""), *_signature(self.kwargs, self.rows, ""))
        return self.lane, self.model, own

    def run(self) -> Any:
        """The model's answer to this call alone; returns when the device has computed it."""
        answer = self.model(*self.args, **self.kwargs)
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # a queued kernel can neither be timed nor called off
        elif torch.backends.mps.is_available():
            torch.mps.synchronize()
        return answer


def joined(calls: Sequence[Call]) -> Call:
    """Calls of one bucket as one, their rows in order."""
    if len(calls) == 1:
        return calls[0]
    rows = [call.rows for call in calls]
    return Call(
        calls[0].model,
        _joined([call.args for call in calls], rows, ""),
        _joined([call.kwargs for call in calls], rows, ""),
        sum(rows),
        calls[0].lane,
        calls[0].step,
    )


def apart(output: Any, rows: Sequence[int]) -> list[Any]:
    """The output of a joined call by parts, each in the model's own form.

    Args:
        output: a tensor, a tuple of tensors, or one of diffusers' output classes.
        rows: the number of rows of each part, in order.
    """
    if len(rows) == 1:
        return [output]
    match output:
        case torch.Tensor():
            return list(output.split(list(rows)))
        case Mapping():
            parts = {key: apart(value, rows) for key, value in output.items()}
            return [
                type(output)(**{key: part[i] for key, part in parts.items()})
                for i in range(len(rows))
            ]
        case list() | tuple():
            return list(zip(*(apart(value, rows) for value in output), strict=True))
    return [output] * len(rows)


def one_row(call: Call, place: int) -> Call:
    """The call with one of its rows alone, the one at `place`, counted from 0."""
    return Call(
        call.model,
        _row(call.args, place, call.rows, ""),
        _row(call.kwargs, place, call.rows, ""),
        1,
        call.lane,
    )


def _is_batched(value: Any, rows: int, name: str) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and name not in SHARED
        and value.ndim > 0
        and len(value) == rows
    )


def _signature(value: Any, rows: int, name: str) -> Iterator[Hashable]:
    match value:
        case torch.Tensor() if value.ndim == 0:
            yield name, "per row"
        case torch.Tensor() if name in SHARED or _is_batched(value, rows, name):
            shape = value.shape if name in SHARED else value.shape[1:]
            yield name, tuple(shape), value.dtype
        case Mapping():
            yield name, len(value)
            for key in sorted(value):
                yield from _signature(value[key], rows, key)
        case list() | tuple() if not name or all(isinstance(v, torch.Tensor) for v in value):
            yield name, len(value)
            for place, inner in enumerate(value):
                yield from _signature(inner, rows, f"{name}{place}")
        case Hashable() if not isinstance(value, torch.Tensor):
            yield name, value
        case _:
            yield name, id(value)  # equal to nothing else: such a call runs alone


def _joined(values: Sequence[Any], rows: Sequence[int], name: str) -> Any:
    first = values[0]
    match first:
        case torch.Tensor() if first.ndim == 0:
            pairs = zip(values, rows, strict=True)
            return torch.cat([value.to(torch.float32).expand(count) for value, count in pairs])
        case torch.Tensor():
            return torch.cat(list(values)) if _is_batched(first, rows[0], name) else first
        case Mapping():
            return {key: _joined([value[key] for value in values], rows, key) for key in first}
        case list() | tuple():
            places = range(len(first))
            joined = [_joined([v[i] for v in values], rows, f"{name}{i}") for i in places]
            return type(first)(joined)
    return first


def _row(value: Any, place: int, rows: int, name: str) -> Any:
    match value:
        case torch.Tensor():
            return value[place : place + 1] if _is_batched(value, rows, name) else value
        case Mapping():
            return {key: _row(inner, place, rows, key) for key, inner in value.items()}
        case list() | tuple():
            inner = (_row(part, place, rows, f"{name}{i}") for i, part in enumerate(value))
            return type(value)(inner)
    return value


class Asking:
    """A pipeline's model whose calls are asked of the engine; its other attributes are its own."""

    def __init__(self, model: Any, ask: Ask, lane: Hashable = None) -> None:
        self._model, self._ask, self._lane = model, ask, lane

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(call_of(self._model, args, kwargs, self._lane))


class AskingDecoder(Asking):
    """An autoencoder whose `decode` is asked of the engine."""

    def decode(self, latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """As the autoencoder's own, in its own dtype, which may be wider than the denoiser's."""
        # Some pipelines pass their generator. Decoders do not use it, and calls that have one could
        # not run as one.
        kwargs.pop("generator", None)
        args = (latents.to(self._model.dtype), *args)
        call = call_of(self._model.decode, args, kwargs, self._lane)
        return self._ask(replace(call, step=False))


def call_of(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    lane: Hashable = None,
) -> Call:
    """The call; its rows are those of the first tensor, which holds the latents."""
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
    return Call(model, args, kwargs, len(next(tensors)), lane)
