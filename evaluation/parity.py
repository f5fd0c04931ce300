"""Do two running services answer alike?

    python -m evaluation.parity --before http://127.0.0.1:8000 --after http://127.0.0.1:8100

It is run after a change that should change nothing: both versions run side by side on one machine,
and each request goes to the one and then to the other. Prompts are previewed (verdict, scores,
rewrite); pictures are drawn, turned, steered, edited, and edited within a mask. It ends with one
JSON document: what agrees, and every answer that does not.
"""

import argparse
import base64
import io
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from evaluation.common.files import CASES
from training.world.drawing.renderer import render
from training.world.faults import FaultRates
from training.world.sample import draw, draw_unsolicited

SCORES = 0.02
"""How far scores of two runs may differ: batching in bfloat16 moves them."""
PIXELS = 2
"""How far a pixel's value (0 to 255) may differ."""
INSTRUCTIONS = (
    "make this person look better",
    "dress them in a red coat",
    "let them hold a kitchen knife",
    "make the hair blond",
)


@dataclass
class Request:
    """One request, in the form that httpx takes; `kind` says what it is an example of."""

    kind: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def sent(self, client: httpx.Client) -> dict[str, Any]:
        """The body of the answer."""
        if self.files:
            fields = {name: str(value) for name, value in self.body.items()}
            return dict(client.post(self.path, data=fields, files=self.files).json())
        return dict(client.post(self.path, json=self.body).json())


def previews(count: int, seed: int) -> list[Request]:
    """Requests for `count` of the hand-written prompts."""
    prompts = dict.fromkeys(_prompts())
    chosen = random.Random(seed).sample(sorted(prompts), count)
    return [Request("prompt", "/v1/safety/preview", {"prompt": one, "seed": 7}) for one in chosen]


def pictures(count: int, steered: list[str], seed: int) -> list[Request]:
    """Requests for pictures of five kinds; `steered` are prompts whose pictures are steered."""
    rng, path = random.Random(seed), "/v1/images/generations"
    share = count // 5
    asked = [
        Request("plain", path, {"prompt": draw(rng, FaultRates.none(), "test").caption.text})
        for _ in range(count - 4 * share)
    ]
    asked += [
        Request("turned", path, {"prompt": draw_unsolicited(rng, "test")[0].caption.text})
        for _ in range(share)
    ]
    asked += [Request("steered", path, {"prompt": one}) for one in steered[:share]]
    for kind in ("edited", "masked"):
        for number in range(share):
            body = {"prompt": INSTRUCTIONS[number % len(INSTRUCTIONS)]}
            asked.append(Request(kind, "/v1/images/edits", body, _given(rng, kind == "masked")))
    for number, one in enumerate(asked):
        one.body["seed"] = seed + number
    return asked


def difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What two answers to one request differ in; empty where they are alike."""
    if _decision(before) != _decision(after):
        return f"decision: {_decision(before)} and {_decision(after)}"
    scores = _scores(before), _scores(after)
    names = scores[0].keys() & scores[1].keys()
    if far := [name for name in names if abs(scores[0][name] - scores[1][name]) > SCORES]:
        return f"scores: {[(n, scores[0][n], scores[1][n]) for n in far]}"
    for one, other in zip(_pixels(before), _pixels(after), strict=True):
        if one.shape != other.shape or np.abs(one - other).max() > PIXELS:
            return "pixels"
    return ""


def _prompts() -> Iterator[str]:
    for path in sorted(CASES.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield from _texts(json.loads(line))
    yield from (CASES / "look_alikes.txt").read_text(encoding="utf-8").splitlines()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("prompt", "plain", "text") and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)


def _given(rng: random.Random, masked: bool) -> dict[str, tuple[str, bytes]]:
    image = Image.fromarray(render(draw(rng, FaultRates.none(), "test").scene))
    files = {"image": ("picture.png", _png(image))}
    if masked:
        mask = image.convert("RGBA")
        ImageDraw.Draw(mask).rectangle((16, 16, 47, 47), fill=(0, 0, 0, 0))
        files["mask"] = ("mask.png", _png(mask))
    return files


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _decision(answer: dict[str, Any]) -> tuple[object, ...]:
    """What must be equal: the decision, the prompts, and each attempt's verdict."""
    safety = answer["safety"]
    tries = [(t["index"], t["steer"], t["verdict"]["flagged"]) for t in safety.get("tries", ())]
    prompts = [one["revised_prompt"] for one in answer.get("data", ())]
    return (
        safety["decision"],
        answer.get("action"),
        answer.get("revised_prompt"),
        tuple(prompts),
        tuple(tries),
    )


def _scores(answer: dict[str, Any]) -> dict[str, float]:
    tries = answer["safety"].get("tries", ())
    return {
        **answer.get("categories", {}),
        **{f"try {number}": t["verdict"]["score"] for number, t in enumerate(tries)},
    }


def _pixels(answer: dict[str, Any]) -> list[np.ndarray]:
    files = [base64.b64decode(one["b64_json"]) for one in answer.get("data", ())]
    return [np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), np.int16) for file in files]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", required=True, help="URL of the one service")
    parser.add_argument("--after", required=True, help="URL of the other")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    alike: dict[str, list[int]] = {}
    odd: list[dict[str, Any]] = []
    steered: list[str] = []
    with (
        httpx.Client(base_url=args.before, timeout=300) as one,
        httpx.Client(base_url=args.after, timeout=300) as other,
    ):

        def compare(request: Request) -> None:
            before, after = request.sent(one), request.sent(other)
            if before.get("action") == "steer":
                steered.append(request.body["prompt"])
            told = difference(before, after)
            counts = alike.setdefault(request.kind, [0, 0])
            counts[0] += not told
            counts[1] += 1
            if told:
                odd.append({"kind": request.kind, **request.body, "differs": told})

        for request in tqdm(previews(args.prompts, args.seed), desc="prompts"):
            compare(request)
        for request in tqdm(pictures(args.pictures, steered, args.seed), desc="pictures"):
            compare(request)
    print(json.dumps({"alike": alike, "different": odd}, indent=1, ensure_ascii=False))
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
