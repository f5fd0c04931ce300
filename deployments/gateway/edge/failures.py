"""Every exception as an answer in OpenAI's error form. No text of an unexpected one leaves."""

import logging
import math
import traceback

from starlette.exceptions import HTTPException

from deployments.contracts import StageRecord
from deployments.errors import ContentBlocked, Overloaded, RequestError, Unavailable
from deployments.gateway.api.reply import Reply
from deployments.telemetry.trace import Trace

logger = logging.getLogger(__name__)

_LOOKED_AT = {"input": "the prompt (input)", "output": "the generated pictures (output)"}
_NO_RETRY = {"x-should-retry": "false"}


def failure_reply(error: Exception, trace: Trace) -> Reply:
    """The answer to a request that failed. Adds to the trace what no stage has said there."""
    match error:
        case ContentBlocked():
            return _blocked(error, trace)
        case RequestError():
            return _malformed(error, trace)
        case HTTPException():
            return _malformed(_refusal(error), trace)
        case Unavailable():
            return _unavailable(error, "safety_unavailable", trace)
    unexpected = Unavailable("gateway", "an unexpected error")
    unexpected.__cause__ = error
    return _unavailable(unexpected, "internal_error", trace)


def _blocked(error: ContentBlocked, trace: Trace) -> Reply:
    categories = list(error.categories)
    looked_at = _LOOKED_AT.get(error.moderation_stage, error.moderation_stage)
    details = {"moderation_stage": error.moderation_stage, "categories": categories}
    return Reply(
        status=error.status,
        headers=_NO_RETRY,
        body={
            "error": {
                "message": f"{error} Flagged: {looked_at}, for {', '.join(categories)}. "
                f"Request id {trace.request_id}. safety_violations=[{', '.join(categories)}]",
                "type": "image_generation_user_error",
                "param": None,
                "code": "moderation_blocked",
                "moderation_details": details,
            }
        },
        safety=trace.safety("refused" if error.moderation_stage == "output" else "blocked"),
    )


def _malformed(error: RequestError, trace: Trace) -> Reply:
    trace.stage(StageRecord(stage="gateway", action="refuse", why=str(error)))
    return Reply(
        status=error.status,
        headers={**_NO_RETRY, **error.headers},
        body={
            "error": {
                "message": str(error),
                "type": "invalid_request_error",
                "param": error.param,
                "code": error.code,
            }
        },
        safety=trace.safety("refused"),
    )


def _refusal(error: HTTPException) -> RequestError:
    """What the router says of a path or a method, in our form."""
    message, code = {
        404: ("There is nothing at this path; GET /v1/models shows what is served.", "unknown_url"),
        405: ("This path has other methods.", "method_not_allowed"),
    }.get(error.status_code, ("The request was refused.", "invalid_request"))
    return RequestError(
        message, status=error.status_code, code=code, headers=dict(error.headers or {})
    )


def _unavailable(error: Unavailable, code: str, trace: Trace) -> Reply:
    overloaded = isinstance(error, Overloaded)
    seconds = math.ceil(error.retry_after)
    if not any(stage.action == "unavailable" for stage in trace.safety("unavailable").stages):
        trace.stage(StageRecord(stage=error.stage, action="unavailable", why=error.why))
    expected = overloaded or error.__cause__ is None
    level = logging.WARNING if expected else logging.ERROR
    cause = _trail(error.__cause__)
    logger.log(level, "request %s: %s: %s%s", trace.request_id, error.stage, error.why, cause)
    return Reply(
        status=error.status,
        headers={"retry-after": str(seconds)},
        body={
            "error": {
                "message": f"The {error.stage} stage gave no answer ({error.why}), so nothing was "
                f"released. Try again in {seconds} s. Request id {trace.request_id}.",
                "type": "rate_limit_error" if overloaded else "server_error",
                "param": None,
                "code": "overloaded" if overloaded else code,
            }
        },
        safety=trace.safety("unavailable"),
    )


def _trail(error: BaseException | None, seen: frozenset[int] = frozenset()) -> str:
    """Where an error and its causes happened, not what they said: that may quote the prompt."""
    if error is None or id(error) in seen:  # a cause may be a group that holds its effect
        return ""
    seen |= {id(error)}
    causes = error.exceptions if isinstance(error, BaseExceptionGroup) else (error.__cause__,)
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"\n{type(error).__name__}\n{frames}" + "".join(_trail(cause, seen) for cause in causes)
