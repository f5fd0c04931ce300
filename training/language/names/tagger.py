"""Trains the name tagger of `deployments.rewriter.anonymise.tagger` on the frozen encoder's states.

    python -m training.language.names.tagger --corpora FOLDER

Sentences are generated and encoded once, then seen in a few passes. The user prompts on which false
alarms are measured are not among them. Writes config.json and model.safetensors.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from deployments.inference.encoder import TokenEncoder
from deployments.rewriter.anonymise.known_names import KNOWN_NAMES
from deployments.rewriter.anonymise.tagger import TAGS, NameNetwork, Words, read_words
from deployments.rewriter.tables import read
from training.language.corpora import load
from training.language.names.sentences import IGNORED, Generator

WIDTH, BLOCKS = 128, 3
CHUNK, BATCH = 256, 48

Example = tuple[Words, Tensor]


def encoded(generator: Generator, encoder: TokenEncoder, count: int) -> list[Example]:
    """Sentences as the network reads them; states in half precision, to fit in memory."""
    found: list[Example] = []
    for _ in tqdm(range(0, count, CHUNK), desc="encode", mininterval=10):
        sentences = list(generator.draw(CHUNK))
        rows = read_words([sentence.text for sentence in sentences], encoder)
        for row, sentence in zip(rows, sentences, strict=True):
            if row.places:
                small = Words(row.places, row.states.half(), row.letters, row.shapes)
                found.append((small, torch.tensor(sentence.tags())))
    return found


def batched(examples: list[Example], chosen: list[int]) -> tuple[Tensor, ...]:
    """States, letters, shapes, mask and tags of some examples, padded to the longest."""
    picked = [examples[i] for i in chosen]
    longest = max(len(tags) for _, tags in picked)

    def padded(rows: list[Tensor], value: float = 0.0) -> Tensor:
        return torch.stack(
            [torch.cat([r, r.new_full((longest - len(r), *r.shape[1:]), value)]) for r in rows]
        )

    mask = padded([torch.ones(len(tags)) for _, tags in picked])
    return (
        padded([words.states.float() for words, _ in picked]),
        padded([words.letters for words, _ in picked]),
        padded([words.shapes for words, _ in picked]),
        mask,
        padded([tags for _, tags in picked], IGNORED),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/miniature/names"))
    parser.add_argument("--sentences", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)

    known = read(KNOWN_NAMES)
    users = [row.prompt for row in load(args.corpora).users]
    encoder = TokenEncoder()
    examples = encoded(Generator(users, known), encoder, args.sentences)
    checked = encoded(Generator(users, known, seed=1), encoder, 4 * CHUNK)
    network = NameNetwork(encoder.width, WIDTH, BLOCKS)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    steps = args.epochs * len(examples) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, steps + args.epochs)
    started = time.monotonic()
    for epoch in range(args.epochs):
        network.train()
        total = 0.0
        for chosen in tqdm(_batches(examples), desc=f"epoch {epoch}", mininterval=10):
            *inputs, tags = batched(examples, chosen)
            logits = network(*inputs).flatten(0, 1)
            loss = cross_entropy(logits, tags.flatten(), ignore_index=IGNORED)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        wrong = _wrong(network, checked)
        seconds = round(time.monotonic() - started)
        print(f"epoch {epoch}: loss {total * BATCH / len(examples):.4f}, {wrong}, {seconds} s")

    args.out.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, args.out / "model.safetensors")
    config = {"tags": list(TAGS), "width": WIDTH, "blocks": BLOCKS}
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _batches(examples: list[Example]) -> list[list[int]]:
    """All examples in a random order, those of like length together."""
    order = torch.randperm(len(examples)).tolist()
    pools = [order[i : i + 50 * BATCH] for i in range(0, len(order), 50 * BATCH)]
    batches = []
    for pool in pools:
        pool.sort(key=lambda i: len(examples[i][1]))
        batches += [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
    return [batches[i] for i in torch.randperm(len(batches)).tolist()]


@torch.inference_mode()
def _wrong(network: NameNetwork, examples: list[Example]) -> str:
    """Shares of wrong words among private, known, address and other ones."""
    network.eval()
    wrong, seen = torch.zeros(4), torch.zeros(4)
    for start in range(0, len(examples), BATCH):
        chosen = list(range(start, min(start + BATCH, len(examples))))
        *inputs, tags = batched(examples, chosen)
        guess = (network(*inputs).argmax(dim=2) + 1) // 2
        kinds = (tags + 1) // 2
        for kind in range(4):
            here = (kinds == kind) & (tags != IGNORED)
            seen[kind] += here.sum()
            wrong[kind] += (here & (guess != kind)).sum()
    rates = (wrong / seen.clamp(min=1)).tolist()
    return ", ".join(
        f"{name} {rate:.2%}"
        for name, rate in zip(("other", "private", "known", "address"), rates, strict=True)
    )


if __name__ == "__main__":
    main()
