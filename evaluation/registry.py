"""The measurements by name.

Each is a module with a class that it calls `MEASUREMENT`; docs/measurements/NAME.json has its
figures.
"""

from importlib import import_module

from evaluation.common.measurement import Measurement

MODULES = (
    "prompts.rules",
    "prompts.obfuscation",
    "prompts.anonymise",
    "prompts.diversify",
    "prompts.guard",
    "prompts.switched_off",
    "prompts.cascade",
    "prompts.operators",
    "prompts.policies",
    "prompts.live",
    "prompts.edit_words",
    "engine.latency",
    "engine.speed",
    "pictures.fidelity",
    "pictures.classifier",
    "pictures.regeneration",
    "pictures.skin",
    "pictures.steerers",
    "pictures.diversity",
    "pictures.edit_pairs",
    "pictures.edits",
    "judge.agreement",
    "engine.bench.run",
    "engine.batched",
)


def measurements() -> dict[str, type[Measurement]]:
    """All measurements, in the order in which they are best run."""
    found: dict[str, type[Measurement]] = {}
    for module in MODULES:
        one: type[Measurement] = import_module(f"evaluation.{module}").MEASUREMENT
        found[one.name] = one
    return found
