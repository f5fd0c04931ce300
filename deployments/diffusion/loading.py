"""From a configuration to a sampler on its device, and to an engine that knows its speed."""

import logging
import time
from contextlib import suppress
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline

from deployments.contracts import GenerationRequest
from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.engine.calls import Call
from deployments.diffusion.engine.door import Door
from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.row_cap import Clock, RowCosts, row_costs, timed
from deployments.diffusion.engine.schedule import by_rows
from deployments.diffusion.sampling.sampler import Sampler
from deployments.diffusion.sampling.samplers import Samplers
from deployments.diffusion.steering.moment import Moment
from deployments.diffusion.steering.steerers import Head
from deployments.diffusion.text import Pipeline
from deployments.errors import Cancelled, ConfigurationError
from deployments.inference.embedded.resolve import resolve

logger = logging.getLogger(__name__)
STAGE = "diffusion"
TIMED_STEPS = 2


def start_engine(sampler: Sampler, config: DiffusionConfig) -> Engine:
    """Times the denoiser (seconds) and starts the engine's thread."""
    costs = measured_costs(sampler, config.max_rows)
    times = ", ".join(f"{rows}: {took * 1000:.0f} ms" for rows, took in costs.seconds.items())
    logger.info("up to %d rows in one denoiser call (%s)", costs.cap, times)
    side = sampler.own_side

    def cap(lane: Any) -> int:
        width, height = lane
        return max(1, costs.cap * side**2 // (width * height))

    clock = Clock(costs)
    longest = config.max_backlog_seconds
    door = Door(STAGE, clock, config.max_waiting, longest, config.retry_slots)
    return Engine(
        STAGE,
        by_rows(cap),
        cap,
        clock,
        door,
        stall_seconds=config.stall_seconds,
        expected_seconds=config.expected_seconds,
    )


def measured_costs(sampler: Sampler, max_rows: int | None = None) -> RowCosts:
    """The denoiser's costs at the model's own size, up to `max_rows` if that is given.

    A pipeline without a denoiser that we know makes its steps alone; one of them is timed.
    """
    if not sampler.batches:
        started = time.perf_counter()
        sampler.draw(_timing(sampler), Call.run)
        return RowCosts(1, {1: (time.perf_counter() - started) / TIMED_STEPS})
    measure = timed(_denoiser_call(sampler))
    if max_rows is None:
        return row_costs(measure)
    return RowCosts(max_rows, {rows: measure(rows) for rows in sorted({1, max_rows})})


def _denoiser_call(sampler: Sampler) -> Call:
    """The first call of a generation at the model's own size."""
    calls = list[Call]()

    def ask(call: Call) -> None:
        calls.append(call)
        raise Cancelled("one call is enough")

    try:
        sampler.draw(_timing(sampler), ask)
    except Cancelled:
        return calls[0]
    raise ConfigurationError("the pipeline draws without asking its denoiser")


def _timing(sampler: Sampler) -> GenerationRequest:
    side = sampler.own_side
    return GenerationRequest(
        request_id="timing",
        prompt="",
        seed=0,
        steps=TIMED_STEPS,
        guidance_scale=1,
        width=side,
        height=side,
    )


def load_samplers(config: DiffusionConfig) -> Samplers:
    """Loads pipelines and head, caps threads and memory.

    Raises:
        ConfigurationError: something is missing, does not load or does not fit together.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.memory_bytes is not None:
        _cap_memory(config.memory_bytes, config.device)
    pipeline = load_pipeline(config)
    edit = None
    if config.edit is not None:
        shared = {name: pipeline.components[name] for name in config.edit.shares}
        edit = load_pipeline(config.model_copy(update={"model": config.edit.model}), **shared)
    head = None
    if config.steering is not None and config.steering.head is not None:
        # Only replicas that steer by a head need its module.
        from deployments.diffusion.steering.head import load_head

        head = load_head(resolve(config.steering.head.model)).to(config.device)
    samplers = Samplers(pipeline, edit, config.steering, head, config.true_cfg_scale)
    if head is not None:
        _check_head(head, samplers.text_to_image)
    return samplers


def _check_head(head: Head, sampler: Sampler) -> None:
    """Shows the head one step; else a head for other latents would fail at each steered request.

    Raises:
        ConfigurationError: the head cannot read the pipeline's latents or texts.
    """
    prompt = sampler.text.encode([""], 1).mean

    def read(moment: Moment) -> None:
        try:
            head(moment.clean, moment.clean.new_tensor([moment.timestep]), prompt)
        except RuntimeError as error:
            raise ConfigurationError(
                f"the head does not fit the model {type(sampler.pipeline).__name__}; give "
                f"`steering.head` one that was trained on its latents: {error}"
            ) from error
        raise Cancelled("one step is enough")

    with suppress(Cancelled):
        sampler.draw(_timing(sampler), Call.run, read)


def load_pipeline(config: DiffusionConfig, **parts: Any) -> Pipeline:
    """The pipeline in its dtype on its device, with the configured scheduler.

    `parts` are components that are loaded already.

    The pipeline's own safety checker is taken out: a blackened picture can neither be judged nor
    steered, and no picture leaves without the classifier deployment's verdict anyway.
    """
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            resolve(config.model),
            variant=config.variant,
            dtype=getattr(torch, config.dtype),
            **parts,
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
    # Pipelines would turn such an autoencoder to float32 and back around every picture, while other
    # pictures are drawn with it.
    vae = getattr(pipeline, "vae", None)
    if config.dtype == "float16" and vae is not None and vae.config.get("force_upcast"):
        vae.to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _cap_memory(limit: int, device: str) -> None:
    total = torch.cuda.get_device_properties(device).total_memory
    if limit > total:
        raise ConfigurationError(f"memory_bytes is {limit}, {device} has only {total}")
    torch.cuda.set_per_process_memory_fraction(limit / total, device)
