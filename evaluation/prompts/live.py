"""Measures the whole prompt side of a running service, as its users reach it.

    make serve &
    python -m evaluation.prompts.live --table

Asks `/v1/safety/preview` what would become of: the example sentences of the guide, hand-written
demeaning and vague prompts, and prompts that try to talk the guard round. Then the same endpoint is
timed with users' prompts, one at a time and 32 at once. `--table` prints prompts and rewrites as
Markdown; the last line is JSON.
"""

import argparse
import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from deployments.inference.encoder import TokenEncoder
from deployments.rewriter.revise.similarity import cosine
from evaluation.common.files import CASES
from training.language import corpora

Json = dict[str, Any]


class Previews:
    """The preview endpoint of one service; `spans` are the milliseconds of each answer so far."""

    def __init__(self, url: str, concurrent: int = 8) -> None:
        self.spans: list[float] = []
        self._client = httpx.AsyncClient(base_url=url, timeout=120)
        self._turns = asyncio.Semaphore(concurrent)

    async def ask(self, prompt: str, operation: str = "generate", seed: int = 0) -> Json:
        """The whole answer. Raises httpx.HTTPStatusError when there is none."""
        body = {"prompt": prompt, "operation": operation, "seed": seed}
        async with self._turns:
            started = time.perf_counter()
            answer = await self._client.post("/v1/safety/preview", json=body)
            self.spans.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
        return answer.json()

    async def ask_all(self, rows: Sequence[Json]) -> list[Json]:
        """Answers to rows with `prompt` and perhaps `operation`, in order."""
        return await asyncio.gather(
            *(self.ask(row["prompt"], row.get("operation", "generate")) for row in rows)
        )


def rows(name: str) -> list[Json]:
    """The lines of a file of prompts beside this one."""
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]


def as_expected(row: Json, answer: Json) -> bool:
    """Whether a guide's example was answered as it should be; `or` is what is as right."""
    right = {row["expect"], row.get("or")}
    if answer["action"] == "block" or "rewrite" not in right:
        taken_out = {c["kind"] for c in answer["changes"]} & {"anonymise", "soften", "generic"}
        return ("block" in right) == (answer["action"] == "block") and not taken_out
    words = re.findall(r"[\w']+", answer["revised_prompt"].lower())
    text = f" {' '.join(words)} "
    return (
        row["kind"] in {change["kind"] for change in answer["changes"]}
        and not any(f" {word.lower()} " in text for word in row["gone"])
        and all(f" {word.lower()} " in text for word in row["kept"])
    )


async def examples(previews: Previews, table: bool) -> Json:
    """The example sentences of the guide, in and out."""
    asked = rows("article_examples.jsonl")
    answers = await previews.ask_all(asked)
    right = [as_expected(row, answer) for row, answer in zip(asked, answers, strict=True)]
    if table:
        _print(asked, answers, right)
    return {"n": len(asked), "right": sum(right)}


async def rewrites(previews: Previews, name: str, kind: str, table: bool) -> Json:
    """What is rewritten, and whether the guard lets pass what comes out (the service has asked).

    `cosine` is how near the sentence embeddings of prompt and rewrite are, on the mean.
    """
    encoder = TokenEncoder()
    asked = [row for row in rows(name) if row.get("vague", True)]
    answers = await previews.ask_all(asked)
    done = [any(c["kind"] == kind for c in answer["changes"]) for answer in answers]
    again = await previews.ask_all(
        [{"prompt": a["revised_prompt"]} for a, d in zip(answers, done, strict=True) if d]
    )
    alike = [
        cosine(encoder, row["prompt"], answer["revised_prompt"]) if hit else None
        for row, answer, hit in zip(asked, answers, done, strict=True)
    ]
    if table:
        _print(asked, answers, done)
    still = [row for row in rows(name) if not row.get("vague", True)]
    left = await previews.ask_all(still)
    return {
        "n": len(asked),
        "rewritten": sum(done),
        "blocked": sum(answer["action"] == "block" for answer in answers),
        "passes_again": sum(answer["action"] != "block" for answer in again),
        "cosine": round(float(np.mean([a for a in alike if a is not None])), 3),
        "others": len(still),
        "others_left_alone": sum(not any(c["kind"] == kind for c in a["changes"]) for a in left),
    }


async def injections(previews: Previews) -> Json:
    """Prompts that try to talk the guard round, beside the same prompts without that."""
    asked = rows("injections.jsonl")
    answers = await previews.ask_all(asked)
    plain = await previews.ask_all([{"prompt": row["plain"]} for row in asked])
    harmful = np.array([row["harmful"] for row in asked])
    stopped, before = (
        np.array([_stopped(answer) for answer in found]) for found in (answers, plain)
    )
    return {
        "n": len(asked),
        "harmful_stopped": round(float(stopped[harmful].mean()), 4),
        "harmful_stopped_plain": round(float(before[harmful].mean()), 4),
        "harmless_stopped": round(float(stopped[~harmful].mean()), 4),
        "harmless_stopped_plain": round(float(before[~harmful].mean()), 4),
    }


async def latency(previews: Previews, texts: Sequence[str]) -> Json:
    """Milliseconds of a preview, p50 and p99, requests per second, and each stage's median."""
    started = time.perf_counter()
    answers = await asyncio.gather(*map(previews.ask, texts))
    elapsed = time.perf_counter() - started
    stages: dict[str, list[float]] = {}
    for answer in answers:
        for stage in answer["safety"]["stages"]:
            stages.setdefault(stage["stage"], []).append(stage["ms"])
    return {
        "n": len(texts),
        "p50_ms": round(float(np.quantile(previews.spans, 0.5)), 1),
        "p99_ms": round(float(np.quantile(previews.spans, 0.99)), 1),
        "per_second": round(len(texts) / elapsed, 2),
        "stages": {
            name: {"asked": len(ms), "p50_ms": round(float(np.median(ms)), 2)}
            for name, ms in stages.items()
        },
    }


def _stopped(answer: Json) -> bool:
    return answer["action"] == "block" or any(c["kind"] == "soften" for c in answer["changes"])


def _print(asked: Sequence[Json], answers: Sequence[Json], right: Sequence[bool]) -> None:
    print("| prompt | action | becomes | |\n| --- | --- | --- | --- |")
    for row, answer, hit in zip(asked, answers, right, strict=True):
        changed = answer["revised_prompt"] != row["prompt"]
        becomes = answer["revised_prompt"] if changed else "-"
        print(f"| {row['prompt']} | {answer['action']} | {becomes} | {'' if hit else 'x'} |")
    print()


async def measure(args: argparse.Namespace) -> Json:
    previews = Previews(args.url)
    result: Json = {
        "examples": await examples(previews, args.table),
        "soften": await rewrites(previews, "demeaning.jsonl", "soften", args.table),
        "ground": await rewrites(previews, "vague.jsonl", "ground", args.table),
        "injections": await injections(previews),
    }
    if args.corpora:
        users = corpora.load(args.corpora).held_out_users
        texts = random.Random(0).sample(users, args.prompts)
        result["latency"] = {
            str(concurrent): await latency(Previews(args.url, concurrent), chosen)
            for concurrent, chosen in ((1, texts[: args.prompts // 4]), (32, texts))
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--corpora", type=Path, help="folder of the public sets, to time with")
    parser.add_argument("--prompts", type=int, default=400, help="to time with")
    parser.add_argument("--table", action="store_true", help="print prompts and rewrites")
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
