"""The four services as the walk sees them, behind Serve handles.

A call that is abandoned (deadline, hang-up, a failed sibling) is cancelled explicitly: dropping the
await alone would let a replica work on (Ray issue 52591).
"""

from typing import Any

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.contracts import (
    Generation,
    GenerationRequest,
    GuardRequest,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    Rewrite,
    RewriteRequest,
    Screening,
)
from deployments.errors import Overloaded, SafelightError, StageFailed


async def call(handle: DeploymentHandle, stage: str, method: str, *request: Any) -> Any:
    """Asks one method of a deployment and waits for the answer.

    Raises:
        SafelightError: what the replica raised, if it is one of ours.
        Overloaded: the deployment's queue is full.
        StageFailed: the replica died, cannot be reached, or raised anything else.
    """
    response = getattr(handle, method).remote(*request)
    try:
        return await response
    except BackPressureError as error:
        raise Overloaded(stage, "its queue is full", error.retry_after_s or 5.0) from error
    except RayTaskError as error:
        if isinstance(error.cause, SafelightError):
            raise error.cause from error
        raise StageFailed(stage, "it raised an unexpected error") from error
    except DeploymentUnavailableError as error:
        raise StageFailed(stage, "it failed to deploy", 60.0) from error
    except (RayError, RayServeException) as error:
        raise StageFailed(stage, "its replica died or cannot be reached", 10.0) from error
    except BaseException:
        response.cancel()
        raise


class RemoteGuard:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        return await call(self._handle, "guard", "screen", request)

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict:
        return await call(self._handle, "guard", "decide", request, screening)


class RemoteRewriter:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        return await call(self._handle, "rewriter", "rewrite", request)


class RemoteDiffusion:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def check(self, request: GenerationRequest, n: int) -> None:
        await call(self._handle, "diffusion", "check", request, n)

    async def generate(self, request: GenerationRequest) -> Generation:
        return await call(self._handle, "diffusion", "generate", request)


class RemoteClassifier:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        return await call(self._handle, "classifier", "judge", request)
