"""The gateway's Serve class: it joins the HTTP edge with the walk."""

import asyncio

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.gateway.config import GatewayConfig
from deployments.gateway.edge.app import Readiness, create_app
from deployments.gateway.walk.pipeline import Walk
from deployments.gateway.walk.remote import (
    RemoteClassifier,
    RemoteDiffusion,
    RemoteGuard,
    RemoteRewriter,
)
from deployments.paths import ROOT
from deployments.policy import Policy
from deployments.telemetry.audit import AuditLog


@serve.deployment(name="gateway")
@serve.ingress()
class GatewayDeployment:
    """Answers HTTP. Its replicas are equal and hold no state between requests."""

    def __init__(
        self,
        config: GatewayConfig,
        policy: Policy,
        guard: DeploymentHandle,
        rewriter: DeploymentHandle,
        diffusion: DeploymentHandle,
        classifier: DeploymentHandle,
    ) -> None:
        self._config = config
        self._walk = Walk(
            policy,
            RemoteGuard(guard),
            RemoteRewriter(rewriter),
            RemoteDiffusion(diffusion),
            RemoteClassifier(classifier),
            head_starts=config.head_starts,
        )
        self._audit = AuditLog(ROOT / config.audit_log, policy.audit.keep_prompts)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._walk, self._config, self._audit, _readiness)

    async def check_health(self) -> None:
        """The gateway is healthy while its event loop runs: that this is called shows it."""


async def _readiness() -> Readiness:
    """`ready` when each deployment of this application has a running replica."""
    application = serve.get_replica_context().app_name
    status = (await asyncio.to_thread(serve.status)).applications.get(application)
    if status is None:
        return "starting"
    if all(d.replica_states.get("RUNNING", 0) > 0 for d in status.deployments.values()):
        return "ready"
    return "failed" if status.status == "DEPLOY_FAILED" else "starting"
