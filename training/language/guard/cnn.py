"""Trains the guard's embedding CNN together with a LoRA on its sentence encoder.

    python -m training.language.guard.cnn --corpora FOLDER --out models/miniature/cnn

Rows come from the curriculum under the default policy; the loss is the cross-entropy over
`harmless` and the categories. The training takes minutes on a GPU and an hour on a core; it has no
checkpoints. Calibrate the model afterwards (`training.language.guard.calibrate --stage cnn`).
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from deployments.guard.embedding.cnn import WEIGHTS, CNNConfig, HarmCNN, as_text, write
from deployments.inference.embedded.diffusion import minilm
from deployments.policy import load_policy
from training.language import corpora
from training.language.corpora import Row
from training.language.guard.lessons import Curriculum
from training.options import POLICY, REQUIRED, options
from training.paths import MODELS
from training.weights import write as write_weights

LINEAR = ["query", "key", "value", "dense"]
LENGTH = 128
"""Tokens of a row that are read; serving reads longer text in windows of this length."""
Batch = tuple[Tensor, Tensor, Tensor]
"""ids int64 [N, T] with special tokens, lengths int64 [N] without them, labels int64 [N]."""


class Batches(Dataset[Batch]):
    """Batches by number, the same in every run; label 0 is harmless, the others the categories."""

    def __init__(
        self, curriculum: Curriculum, categories: Sequence[str], size: int, steps: int, seed: int
    ) -> None:
        self._curriculum, self._size = curriculum, size
        self._steps, self._seed = steps, seed
        self._labels: dict[str | None, int] = {None: 0} | {
            name: 1 + i for i, name in enumerate(categories)
        }
        self._tokenizer = AutoTokenizer.from_pretrained(minilm())

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        rng = random.Random(f"cnn/{self._seed}/{step}")
        rows: list[Row] = []
        while len(rows) < self._size:
            rows += self._curriculum.rows(rng)
        rows = rows[: self._size]
        texts = [as_text(row.request()) for row in rows]
        coded = self._tokenizer(
            texts, truncation=True, max_length=LENGTH + 2, padding=True, return_tensors="pt"
        )
        lengths = coded["attention_mask"].sum(1) - 2
        labels = torch.tensor([self._labels[row.category] for row in rows])
        return coded["input_ids"], lengths.clamp(min=1), labels


def states(encoder: nn.Module, ids: Tensor, lengths: Tensor) -> Tensor:
    """Token states without those of special tokens, float [N, T - 2, D], as in serving."""
    mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None] + 2
    hidden = encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    return hidden[:, 1:-1].float()


def with_lora(rank: int) -> PeftModel:
    """MiniLM with a new LoRA on every linear layer of its blocks."""
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=LINEAR)
    return get_peft_model(AutoModel.from_pretrained(minilm(), add_pooling_layer=False), config)


def export(folder: Path, encoder: PeftModel, config: CNNConfig, model: HarmCNN) -> None:
    """Writes the CNN, and the encoder's LoRA beside it."""
    write(folder, config, model)
    write_weights(folder / "adapter_model.safetensors", get_peft_model_state_dict(encoder))
    settings = encoder.peft_config["default"]
    text = json.dumps({"r": settings.r, "lora_alpha": settings.lora_alpha}, indent=1)
    (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")


def train(encoder: PeftModel, model: HarmCNN, batches: Batches, args: argparse.Namespace) -> None:
    """Trains both in place; the rate rises over 50 steps and falls to a hundredth, by steps or by
    minutes, whichever is nearer its end."""
    parameters = [p for m in (encoder, model) for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=args.rate, weight_decay=0.01)
    loader = DataLoader(batches, batch_size=None, num_workers=args.workers)
    encoder.train()
    model.train()
    started = time.monotonic()
    bar = tqdm(loader, mininterval=10)
    for step, batch in enumerate(bar):
        ids, lengths, labels = (t.to(args.device) for t in batch)
        share = max((step + 1) / args.steps, (time.monotonic() - started) / (60 * args.minutes))
        optimizer.param_groups[0]["lr"] = args.rate * min(
            (step + 1) / 50, max(1.0 - share, 0.0) + 0.01
        )
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(ids.device.type, torch.bfloat16):
            hidden = states(encoder, ids, lengths)
        loss = nn.functional.cross_entropy(model(hidden, lengths), labels, label_smoothing=0.02)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        if share >= 1:
            break


def main() -> None:
    parser = options(
        __doc__, corpora=REQUIRED, policy=POLICY, out=MODELS / "cnn", steps=1500, batch=256,
        rate=1e-3, minutes=float("inf"), workers=0, threads=1, device="cpu", seed=0,
    )  # fmt: skip
    parser.add_argument("--rank", type=int, default=8, help="of the LoRA")
    parser.add_argument("--warm", type=Path, help="go on from the weights in this folder")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)

    policy = load_policy(args.policy)
    categories = list(policy.categories)
    curriculum = Curriculum(policy, corpora.load(args.corpora), seed=7)
    config = CNNConfig(categories=tuple(categories))
    encoder, model = with_lora(args.rank), HarmCNN(config)
    if args.warm:
        set_peft_model_state_dict(encoder, load_file(args.warm / "adapter_model.safetensors"))
        model.load_state_dict({k: v.float() for k, v in load_file(args.warm / WEIGHTS).items()})
    encoder, model = encoder.to(args.device), model.to(args.device)
    batches = Batches(curriculum, categories, args.batch, args.steps, args.seed)
    train(encoder, model, batches, args)
    export(args.out, encoder, config, model)


if __name__ == "__main__":
    main()
