"""The edge in process: the real application, walk and audit log, over plain services."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest
from fastapi import FastAPI

from deployments.gateway.config import GatewayConfig
from deployments.gateway.edge.app import create_app
from deployments.paths import ROOT
from deployments.policy import Policy, load_policy
from deployments.telemetry.audit import AuditLog, Record
from tests.gateway.services import Services
from tests.official import check_official

POLICY_FILE = ROOT / "configs" / "policies" / "default.yaml"


@dataclass
class Readiness:
    """Whether the services behind the edge can answer."""

    status: str = "ready"

    async def __call__(self) -> str:
        return self.status


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_policy(POLICY_FILE)


@pytest.fixture
def config() -> GatewayConfig:
    return GatewayConfig(
        model="miniature",
        aliases=("dall-e-3", "gpt-image-1"),
        native_sizes=("64x64", "96x64"),
        resized_sizes={"1024x1024": "64x64"},
        default_steps=20,
        max_steps=50,
        quality_steps={"low": 8, "high": 40},
        default_guidance_scale=4.0,
        max_prompt_chars=500,
        max_body_bytes=100_000,
    )


@pytest.fixture
def services(policy: Policy) -> Services:
    return Services(policy)


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl", keep_prompts=True)


@pytest.fixture
def full_disk() -> AuditLog:
    """A log that cannot be written to."""
    return AuditLog(Path("/dev/full"))


@pytest.fixture
def audited(audit: AuditLog, tmp_path: Path) -> Callable[[], list[Record]]:
    """What the log holds by now."""

    def read() -> list[Record]:
        lines = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()
        return [Record.model_validate_json(line) for line in lines]

    return read


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def app(
    services: Services, config: GatewayConfig, audit: AuditLog, readiness: Readiness
) -> FastAPI:
    return create_app(services.walk, config, audit, readiness)


@pytest.fixture
async def http(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://safelight") as client:
        yield client


@pytest.fixture
async def client(app: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client; only base_url is changed. `calls` of its transport counts requests."""
    transport = CountingTransport(app)
    async with httpx2.AsyncClient(transport=transport) as http_client:
        yield openai.AsyncOpenAI(
            api_key="any", base_url="http://safelight/v1", http_client=http_client
        )


class CountingTransport(httpx2.ASGITransport):
    """Counts the requests that the official client really sends, retries included."""

    calls = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        return await super().handle_async_request(request)


@pytest.fixture
def official() -> Callable[..., None]:
    """See `tests.official.check_official`."""
    return check_official
