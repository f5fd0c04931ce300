"""The application: typed arguments in, five bound deployments out.

`serve run configs/miniature.yaml` and a KubeRay `serveConfigV2` go through the same `build`.
Replica counts, resources, health and shutdown settings stand under `deployments:` of the same file,
in Serve's own words; this file knows which parts there are and how they are joined, nothing else.
"""

# No `from __future__ import annotations`: Serve reads the builder's annotation to validate `args`.
from collections.abc import Iterator

from pydantic import Field
from ray.serve import Application

from deployments.classifier.config import ClassifierConfig
from deployments.classifier.deployment import ClassifierDeployment
from deployments.configuration import Configuration
from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.deployment import DiffusionDeployment
from deployments.errors import ConfigurationError
from deployments.gateway.config import GatewayConfig
from deployments.gateway.deployment import GatewayDeployment
from deployments.guard.config import GuardConfig, ShadowConfig
from deployments.guard.deployment import GuardDeployment
from deployments.inference.embedded.resolve import resolve
from deployments.policy import Policy, load_policy
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.deployment import RewriterDeployment


class SafelightConfig(Configuration):
    """Everything that `args:` of a configuration file may say. Unknown keys are refused."""

    policy: str = Field(description="policy file, relative to the repository or absolute")
    gateway: GatewayConfig
    guard: GuardConfig
    rewriter: RewriterConfig
    diffusion: DiffusionConfig
    classifier: ClassifierConfig


def build(config: SafelightConfig) -> Application:
    """Binds the graph. Serve graphs are acyclic: the regeneration edge is the gateway's own loop.

    Raises:
        ConfigurationError: a policy cannot be read, or it asks for what no service can do.
    """
    policy = load_policy(resolve(config.policy))
    _check_steering(policy, config.diffusion)
    _check_watch(policy, config)
    _check_edits(policy, config)
    return GatewayDeployment.bind(
        config.gateway,
        policy,
        GuardDeployment.bind(config.guard, policy, config.policy, _candidate(config.guard.shadow)),
        RewriterDeployment.bind(config.rewriter, policy),
        DiffusionDeployment.bind(config.diffusion, policy.output.watch),
        ClassifierDeployment.bind(config.classifier, policy),
    )


def _check_steering(policy: Policy, diffusion: DiffusionConfig) -> None:
    if diffusion.steering is None and (asked := list(_asks_for_steering(policy))):
        raise ConfigurationError(
            f"the policy {policy.name!r} asks for steering, and diffusion has no `steering`; "
            f"add one, or write in the policy: {'; '.join(asked)}"
        )


def _asks_for_steering(policy: Policy) -> Iterator[str]:
    """What in a policy leads to steered generations, each as the words that would end it."""
    acting = {name: one for name, one in policy.categories.items() if one.action != "allow"}
    if policy.output.strengths:
        yield "`output.strengths: []`"
    if policy.output.watch:
        yield "`output.watch: null`"
    for name, category in acting.items():
        if category.action == "steer":
            yield f"another `categories.{name}.action` than 'steer'"
    # The policy's own thresholds hold for harm of no known kind too, if anything acts at all.
    limits = {"thresholds": policy.thresholds} if acting else {}
    for name, category in acting.items():
        if category.thresholds:
            limits[f"categories.{name}.thresholds"] = category.thresholds
    for field, limit in limits.items():
        if limit.steer < limit.act_low:
            yield (
                f"one value for `steer`, `act` and `act_low` under `{field}` (scores from "
                f"{limit.steer:g} on are steered until they reach `act`, or `act_low`)"
            )


def _check_watch(policy: Policy, config: SafelightConfig) -> None:
    watch, steering = policy.output.watch, config.diffusion.steering
    if watch is None:
        return
    if not (steering and steering.head):
        raise ConfigurationError(
            f"the policy {policy.name!r} watches trajectories, and diffusion has no steering.head "
            "to do it with; add one, or say `watch: null` under the policy's `output`"
        )
    steps = config.gateway.default_steps
    last = 1 - 1 / steps
    if missed := [point for point in watch.check_points if point > last]:
        raise ConfigurationError(
            f"the policy {policy.name!r} watches at {missed!r}, where no denoiser call is left: of "
            f"`default_steps` {steps}, the last begins at {last:.3g}; give `output.watch` check "
            "points up to there, or say `watch: null`"
        )


def _check_edits(policy: Policy, config: SafelightConfig) -> None:
    if config.gateway.edits is None:
        return
    missing = {
        "`edits` under the policy's `output`": policy.output.edits is None,
        "`transformation` or `vision` under `classifier`": not config.classifier.judges_edits,
        "`edit` under `diffusion`": config.diffusion.edit is None,
    }
    if lacking := [name for name, lacks in missing.items() if lacks]:
        raise ConfigurationError(f"the gateway takes edits; also needed: {', '.join(lacking)}")


def _candidate(shadow: ShadowConfig | None) -> Policy | None:
    """The policy that runs in shadow, read once for all replicas as the active one is."""
    return load_policy(resolve(shadow.policy)) if shadow and shadow.policy else None
