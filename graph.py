"""The application: typed arguments in, five bound deployments out.

`serve run configs/miniature.yaml` and a KubeRay `serveConfigV2` go through the same `build`.
Replica counts, resources, health and shutdown settings stand under `deployments:` of the same file,
in Serve's own words; this file knows which parts there are and how they are joined, nothing else.
"""

# No `from __future__ import annotations`: Serve reads the builder's annotation to validate `args`.
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
        ConfigurationError: a policy cannot be read or does not fit.
    """
    policy = load_policy(resolve(config.policy))
    _check_watch(policy, config.diffusion)
    _check_edits(policy, config)
    return GatewayDeployment.bind(
        config.gateway,
        policy,
        GuardDeployment.bind(config.guard, policy, config.policy, _candidate(config.guard.shadow)),
        RewriterDeployment.bind(config.rewriter, policy),
        DiffusionDeployment.bind(config.diffusion, policy.output.watch),
        ClassifierDeployment.bind(config.classifier, policy),
    )


def _check_watch(policy: Policy, diffusion: DiffusionConfig) -> None:
    if policy.output.watch and not (diffusion.steering and diffusion.steering.head):
        raise ConfigurationError(
            f"the policy {policy.name!r} watches trajectories, and diffusion has no steering.head "
            "to do it with; add one, or say `watch: null` under the policy's `output`"
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
