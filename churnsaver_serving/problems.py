"""Errors as problem documents (RFC 9457): one shape for every answer that isn't a success."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins.problem_details import (
    ProblemDetailsConfig,
    ProblemDetailsException,
    ProblemDetailsPlugin,
)
from msgspec import Meta
from structlog.typing import FilteringBoundLogger

from churnsaver_serving.live.errors import (
    CommitUnknownError,
    ConflictError,
    InvalidError,
    LedgerUnavailableError,
    LiveError,
    NotReadyError,
    OverloadedError,
    RejectedFieldError,
    ReleaseUnavailableError,
    StoppingError,
    UnknownDecisionError,
)

MEDIA_TYPE = "application/problem+json"
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
_RETRY = {"Retry-After": "1"}


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    field: Annotated[
        str,
        Meta(
            description="Dotted path in the request's body, or the name of a parameter or part.",
            examples=["profile.tenure_months"],
        ),
    ]
    message: str


class ProblemDocument(msgspec.Struct, frozen=True):
    """A problem (RFC 9457)."""

    type: Annotated[str, Meta(description="URI of the kind of problem.")]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Meta(description="Path of the request.")]
    errors: tuple[FieldError, ...] = ()


class Problem(ProblemDetailsException):
    """An answer that isn't a success.

    Args:
        status: HTTP status.
        kind: Last part of the problem type's URN; `about:blank` where the status says it all.
        detail: A sentence on what happened and what to do.
        errors: The fields at fault.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str | None,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(
            status_code=status,
            type_=f"urn:churnsaver:problem:{kind}" if kind else "about:blank",
            title=kind.replace("-", " ").capitalize() if kind else HTTPStatus(status).phrase,
            detail=detail,
            headers=headers,
        )
        self.errors = tuple(errors)

    def to_response(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """Return the document, with the request's path as its instance."""
        document = ProblemDocument(
            type=self.type_ or "about:blank",
            title=self.title or "",
            status=self.status_code,
            detail=self.detail,
            instance=request.url.path,
            errors=self.errors,
        )
        return Response(
            msgspec.json.encode(document),
            status_code=self.status_code,
            media_type=MEDIA_TYPE,
            headers=self.headers,
        )


def invalid(field: str, message: str) -> Problem:
    """Make the problem of a request that was understood and can't be accepted: 422."""
    return Problem(422, "invalid-request", f"{field}: {message}", [FieldError(field, message)])


def malformed(field: str, message: str) -> Problem:
    """Make the problem of a body that is no JSON: 400."""
    return Problem(400, "malformed-body", f"{field}: {message}", [FieldError(field, message)])


def problem_responses(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the problem answers of a route, for the OpenAPI document."""
    return {
        status: ResponseSpec(
            ProblemDocument,
            generate_examples=False,
            description=_DESCRIPTIONS[status],
            media_type=MEDIA_TYPE,
        )
        for status in statuses
    }


_DESCRIPTIONS = {
    400: "The body is no JSON, or the request can't be read.",
    404: "There is no such decision.",
    409: "The request contradicts what is recorded.",
    413: "The body is too large.",
    415: "The body is not declared as application/json.",
    422: "A field is missing, unknown or out of range.",
    500: "An error of the server; whether the request was recorded is not known.",
    503: "The server can't take the request now; nothing was recorded, save where the problem is "
    "`outcome-unknown`: then it may have been.",
}


def problem_plugin(log: FilteringBoundLogger) -> ProblemDetailsPlugin:
    """Make Litestar's plugin, with every exception mapped to a problem.

    Args:
        log: Logger for the server's own errors, whose answers don't say what happened inside.
    """

    def from_live(error: LiveError) -> Problem:
        problem = _from_live(error)
        if isinstance(error, CommitUnknownError):
            log.error("commit_unknown", detail=str(error))
        elif isinstance(error, LedgerUnavailableError):
            log.error("ledger_unavailable", detail=str(error))
        return problem

    def from_bug(error: Exception) -> Problem:
        log.error("unhandled", exc_info=error)
        return Problem(500, None, f"An error of the server, which was logged. {_REPEAT}")

    return ProblemDetailsPlugin(
        ProblemDetailsConfig(
            exception_to_problem_detail_map={
                LiveError: from_live,
                ValidationException: _from_validation,
                HTTPException: _from_http,
                Exception: from_bug,
            }
        )
    )


_REPEAT = (
    "Whether the request was recorded is not known: repeat it, with the same Idempotency-Key where "
    "it had one; what is recorded already is returned then. Where the decision's id is known, GET "
    "/decisions/{decision_id} shows what is recorded."
)


def _from_live(error: LiveError) -> Problem:
    text, errors = str(error), _fields(error)
    match error:
        case InvalidError():
            kind, status, text = "invalid-request", 422, f"{error.field}: {text}"
        case ConflictError():
            kind, status, text = "conflict", 409, f"{error.field}: {text}"
        case UnknownDecisionError():
            kind, status = "unknown-decision", 404
        case OverloadedError() | StoppingError():
            kind, status, text = "overloaded", 503, f"{text}; nothing was recorded, try again"
        case ReleaseUnavailableError():
            kind, status = "release-unavailable", 503
        case NotReadyError():
            kind, status = "not-ready", 503
        case CommitUnknownError():
            kind, status = "outcome-unknown", 503
            text = f"The ledger failed while it committed. {_REPEAT}"
        case _:
            kind, status = "ledger-unavailable", 503
            text = "The ledger can't be reached or is not migrated; nothing was recorded."
    return Problem(status, kind, text, errors, _RETRY if status == _UNAVAILABLE else None)


def _fields(error: LiveError) -> list[FieldError]:
    """Return the fields or parts that an error is about."""
    match error:
        case RejectedFieldError():
            return [FieldError(error.field, str(error))]
        case UnknownDecisionError():
            return [FieldError("decision_id", str(error))]
        case ReleaseUnavailableError():
            return [FieldError("release", str(error))]
        case NotReadyError():
            return [FieldError(part, message) for part, message in error.parts.items()]
        case _:
            return []


def _from_validation(error: ValidationException) -> Problem:
    """Explain what Litestar checks: parameters, headers, and that there is a body."""
    for entry in error.extra if isinstance(error.extra, list) else ():
        if isinstance(entry, dict) and entry.get("key") not in (None, "data"):
            name = str(entry["key"])
            if entry.get("source") == "header":
                name = name.replace("_", "-").title()
            return invalid(name, str(entry.get("message", error.detail)))
    return malformed("body", "expected a JSON object, got nothing")


def _from_http(error: HTTPException) -> Problem:
    """Explain what Litestar itself refuses: unknown path, method, oversized body."""
    detail = error.detail or HTTPStatus(error.status_code).description
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Problem(413, None, f"body: {detail}", [FieldError("body", detail)], error.headers)
    return Problem(error.status_code, None, detail, headers=error.headers)
