"""Lists the decisions that differ between two policies, on a file of prompts.

    python -m deployments.ops.policy.diff A B PROMPTS [--config configs/miniature.yaml]

The prompts are one a line, or JSON lines (`.jsonl`) with `prompt` and, where wanted,
`negative_prompt`, `operation` and `loosen`. Every stage of the guard that the configuration names
is asked: rules, blocklist, embedding CNN, language model. One line for each changed decision; the
last line is JSON.
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployments.contracts import GuardRequest, PromptVerdict
from deployments.errors import ConfigurationError, Unavailable
from deployments.guard.config import GuardConfig
from deployments.guard.shadow.difference import Difference, Side
from deployments.inference.language_model import LanguageModel
from deployments.ops.serve_config import read_serve_config
from deployments.policy import Policy, load_policy

Judge = Callable[[GuardRequest], Awaitable[PromptVerdict]]
ENVIRONMENT = {"VLLM_LOGGING_STREAM": "ext://sys.stderr"}
"""Keeps vLLM's log out of the lines."""
AT_ONCE = 32
"""Prompts that are judged at the same time."""


@dataclass(frozen=True)
class Compared:
    """One prompt under both policies: two verdicts, or the error in place of one."""

    request: GuardRequest
    before: PromptVerdict | Unavailable
    after: PromptVerdict | Unavailable

    @property
    def difference(self) -> Difference | None:
        """None where both decide the same, or one cannot answer."""
        if isinstance(self.before, Unavailable) or isinstance(self.after, Unavailable):
            return None
        return Difference.between(self.before, self.after)

    @property
    def unanswered(self) -> Unavailable | None:
        """Why there is nothing to compare."""
        return next((s for s in (self.before, self.after) if isinstance(s, Unavailable)), None)


async def compare(before: Judge, after: Judge, requests: Sequence[GuardRequest]) -> list[Compared]:
    """Both verdicts on every request, in their order."""
    free = asyncio.Semaphore(AT_ONCE)

    async def both(request: GuardRequest) -> Compared:
        async with free:
            return Compared(request, await _asked(before, request), await _asked(after, request))

    return list(await asyncio.gather(*map(both, requests)))


async def _asked(judge: Judge, request: GuardRequest) -> PromptVerdict | Unavailable:
    try:
        return await judge(request)
    except Unavailable as error:
        return error


def described(compared: Compared) -> str | None:
    """A line on a prompt whose decision differs, or that has none; None where nothing changes."""
    prompt = json.dumps(compared.request.prompt, ensure_ascii=False)
    if error := compared.unanswered:
        return f"no verdict ({error}): {prompt}"
    if change := compared.difference:
        return f"{_side(change.before)} -> {_side(change.after)}: {prompt}"
    return None


def _side(side: Side) -> str:
    rewrite = f" ({side.rewrite})" if side.rewrite else ""
    return f"{side.action}{rewrite} {side.category or 'unknown'} {side.score:.2f} by {side.stage}"


def counts(found: Sequence[Compared], before: Policy, after: Policy) -> dict[str, Any]:
    """How many decisions differ: in all, by both actions, and by these and the category."""
    changes = [change for compared in found if (change := compared.difference)]
    by_category: dict[str, Counter[str]] = {}
    for change in changes:
        by_category.setdefault(change.actions, Counter())[change.category] += 1
    return {
        "before": before.ref.model_dump(),
        "after": after.ref.model_dump(),
        "prompts": len(found),
        "unanswered": sum(compared.unanswered is not None for compared in found),
        "changed": len(changes),
        "changes": {
            actions: dict(categories.most_common()) for actions, categories in by_category.items()
        },
    }


def read_requests(path: Path) -> list[GuardRequest]:
    """The prompts of a file; empty lines are none.

    Raises:
        ConfigurationError: the file cannot be read, has no prompt, or a line does not fit; says
            which.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the prompts {str(path)!r}: {error}") from error
    read = _from_json if path.suffix == ".jsonl" else _from_text
    requests = [
        read(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not requests:
        raise ConfigurationError(f"{str(path)!r} has no prompts")
    return requests


def _from_text(line: str, where: str) -> GuardRequest:
    return GuardRequest(prompt=line.strip())


def _from_json(line: str, where: str) -> GuardRequest:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ConfigurationError(f"{where}: must be an object with `prompt`")
        # Files of prompts carry notes of their own beside what the guard is asked.
        known = {key: value for key, value in row.items() if key in GuardRequest.model_fields}
        return GuardRequest.model_validate(known)
    except (ValueError, ValidationError) as error:
        raise ConfigurationError(f"{where}: is no request: {error}") from error


def read_guard(path: Path) -> tuple[GuardConfig, dict[str, str]]:
    """The guard's configuration in a Serve file, and the environment that its replicas have.

    Raises:
        ConfigurationError: the file is no Serve configuration, or its guard does not fit.
    """
    application = read_serve_config(path)["applications"][0]
    deployments = {entry["name"]: entry for entry in application.get("deployments", ())}
    options = deployments.get("guard", {}).get("ray_actor_options") or {}
    environment = {**_environment(application), **_environment(options)}
    try:
        return GuardConfig.model_validate(application["args"]["guard"]), environment
    except (KeyError, ValidationError) as error:
        raise ConfigurationError(f"{str(path)!r} has no valid guard: {error}") from error


def _environment(holder: Mapping[str, Any]) -> dict[str, str]:
    return (holder.get("runtime_env") or {}).get("env_vars") or {}


async def compare_on_models(
    before: Policy, after: Policy, requests: Sequence[GuardRequest], config: GuardConfig
) -> list[Compared]:
    """Both verdicts on every request, by the models of a guard that is started for it."""
    from deployments.guard.models import GuardModels  # loads torch, which reads the environment

    llm = LanguageModel("guard", config.llm)
    try:
        with closing(GuardModels(llm, config)) as models:
            first, second = (models.cascade(policy, config.cnn).judge for policy in (before, after))
            return await compare(first, second, requests)
    finally:
        llm.shutdown()


Comparison = Callable[
    [Policy, Policy, Sequence[GuardRequest], GuardConfig], Coroutine[Any, Any, list[Compared]]
]


def main(arguments: list[str] | None = None, compare_on: Comparison = compare_on_models) -> int:
    """
    Args:
        compare_on: compares two policies on requests by the configured guard.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", metavar="A", type=Path, help="a policy file")
    parser.add_argument("after", metavar="B", type=Path, help="another")
    parser.add_argument("prompts", metavar="PROMPTS", type=Path)
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("configs/miniature.yaml"),
        help="Serve file whose guard is asked (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        before, after = load_policy(options.before), load_policy(options.after)
        requests = read_requests(options.prompts)
        config, environment = read_guard(options.config)
        for name, value in {**ENVIRONMENT, **environment}.items():
            os.environ.setdefault(name, value)
        found = asyncio.run(compare_on(before, after, requests, config))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    for line in filter(None, map(described, found)):
        print(line)
    print(json.dumps(counts(found, before, after)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
