"""A LoRA on all linear layers of SmolLM2: its loss, checkpoints and export."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft import set_peft_model_state_dict as set_state
from torch import Tensor
from transformers import AutoModelForCausalLM

from training.checkpoints import load_checkpoint, save_checkpoint
from training.language.packing import IGNORED, Pack
from training.weights import write


def with_lora(base: Path, rank: int = 8) -> PeftModel:
    """SmolLM2 in bfloat16, with a new LoRA on every linear layer in float32."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def answer_loss(model: PeftModel, pack: Pack) -> Tensor:
    """Cross-entropy, summed over the answers' tokens; logits are computed only there."""
    causal: Any = model.base_model.model  # torch types a submodule as Tensor | Module
    hidden = causal.model(
        input_ids=pack.ids, position_ids=pack.positions, attention_mask=pack.mask, use_cache=False
    ).last_hidden_state
    wanted = pack.labels != IGNORED
    logits = causal.lm_head(hidden[wanted])
    return torch.nn.functional.cross_entropy(logits.float(), pack.labels[wanted], reduction="sum")


def export(model: PeftModel, folder: Path) -> None:
    """Writes the adapter as bf16 safetensors with its configuration, in peft's own format."""
    write(folder / "adapter_model.safetensors", get_peft_model_state_dict(model))
    config = model.peft_config["default"].to_dict()
    # A path of the training machine is nobody's business, and no loader needs it.
    config |= {"base_model_name_or_path": "SmolLM2-135M-Instruct", "inference_mode": True}
    config["target_modules"] = sorted(config["target_modules"])
    text = json.dumps({k: v for k, v in config.items() if v is not None}, indent=1, default=str)
    (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")


def save(path: Path, model: PeftModel, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Writes a checkpoint from which training can go on at `step`."""
    lora = get_peft_model_state_dict(model)
    save_checkpoint(path, {"lora": lora, "optimizer": optimizer.state_dict(), "step": step})


def restore(path: Path, model: PeftModel, optimizer: torch.optim.Optimizer) -> int:
    """Restores what `save` wrote and returns its step; 0 without a file."""
    if not path.is_file():
        return 0
    state = load_checkpoint(path)
    set_state(model, state["lora"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
