"""From a configuration to a sampler on its device."""

import diffusers
import torch
from diffusers import DiffusionPipeline

from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.sampler import Sampler
from deployments.diffusion.text import Pipeline
from deployments.embedded.resolve import resolve
from deployments.errors import ConfigurationError


def load_sampler(config: DiffusionConfig) -> Sampler:
    """Loads pipeline and head, caps threads and memory.

    Raises:
        ConfigurationError: something is missing, does not load or does not fit together.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.memory_bytes is not None:
        _cap_memory(config.memory_bytes, config.device)
    pipeline = load_pipeline(config)
    head = None
    if config.steering is not None and config.steering.head is not None:
        from deployments.diffusion.head import load_head  # only replicas that steer by it need it

        head = load_head(resolve(config.steering.head.model)).to(config.device)
    return Sampler(pipeline, config.steering, head, config.true_cfg_scale)


def load_pipeline(config: DiffusionConfig) -> Pipeline:
    """The pipeline in its dtype on its device, with the configured scheduler.

    A safety checker of the pipeline's own is taken out: a blackened picture can neither be judged
    nor steered, and nothing leaves without the classifier deployment's verdict anyway.
    """
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            resolve(config.model), variant=config.variant, dtype=getattr(torch, config.dtype)
        )
        if config.scheduler is not None:
            family = getattr(diffusers, config.scheduler)
            pipeline.scheduler = family.from_config(
                pipeline.scheduler.config, **config.scheduler_options
            )
        elif config.scheduler_options:
            pipeline.scheduler = type(pipeline.scheduler).from_config(
                pipeline.scheduler.config, **config.scheduler_options
            )
        pipeline.to(config.device)
    except (OSError, ValueError, AttributeError, RuntimeError) as error:
        raise ConfigurationError(f"cannot load the model {config.model!r}: {error}") from error
    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.safety_checker = None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _cap_memory(limit: int, device: str) -> None:
    total = torch.cuda.get_device_properties(device).total_memory
    if limit > total:
        raise ConfigurationError(f"memory_bytes is {limit}, {device} has only {total}")
    torch.cuda.set_per_process_memory_fraction(limit / total, device)
