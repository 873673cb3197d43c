"""Every error as problem+json (RFC 9457): what went wrong, in words and for machines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import (
    PermissionDenied as DjangoPermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from cycles.errors import CycleError, StaleDataError
from cycles.services import migrated
from cycles.services.correlating import correlation
from exchanges.errors import StaleReferenceError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
BUSY_SECONDS = 1  # what a 503 asks to wait
CODES = {  # where DRF's own word is not ours
    "invalid": "invalid_input",
    "error": "internal_error",
    "parse_error": "malformed_body",
    "permission_denied": "permission_denied",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a problem document says, before it knows its request."""

    status: int
    code: str
    detail: str
    errors: tuple[dict[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


class PreconditionRequired(exceptions.APIException):
    """The request must say which version it saw."""

    status_code = HTTPStatus.PRECONDITION_REQUIRED
    default_code = "precondition_required"
    default_detail = 'send If-Match with the version you saw, as in: If-Match: "7"'


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """Answer an error of a view (DRF's EXCEPTION_HANDLER); what was not foreseen is logged."""
    request: Request = context["request"]
    problem = problem_of(error)
    if problem.code == "internal_error":
        # What DRF answers never reaches Django's own report of errors.
        log.error("api.failed", exc_info=error, path=request.path)
        request._request.kimp_error = error  # type: ignore[attr-defined]  # noqa: SLF001  middleware's
    return answer(problem, request)


def answer(problem: Problem, request: Request) -> Response:
    """Render a problem for its request."""
    body: dict[str, Any] = {
        "type": f"urn:kimp:problem:{problem.code}",
        "title": problem.code.replace("_", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.get_full_path(),
        "code": problem.code,
        "errors": list(problem.errors),
        "request_id": correlation()["request_id"],
    }
    return Response(body, status=problem.status, headers=problem.headers, content_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """Say what an exception means to a client."""
    known = error if isinstance(error, CycleError) else migrated.explanation(error)
    if known is not None:
        return _denied(known)
    if isinstance(error, exceptions.APIException):
        return _api_problem(error)
    if isinstance(error, StaleReferenceError):
        return _denied(StaleDataError(str(error)))
    return _foreign_problem(error)


def _denied(error: CycleError) -> Problem:
    """Turn a business error into a problem; what passes by itself says when to come back."""
    headers = {}
    wait = getattr(error, "retry_after_seconds", None)
    if wait is None and error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        wait = BUSY_SECONDS
    if wait is not None:
        headers["Retry-After"] = str(wait)
    return Problem(
        status=error.http_status,
        code=error.code,
        detail=str(error),
        headers=headers,
    )


def _api_problem(error: exceptions.APIException) -> Problem:
    """Turn one of DRF's errors into a problem."""
    headers: dict[str, str] = {}
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = str(challenge)
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    if isinstance(error, exceptions.ValidationError):
        errors = tuple(_flattened(error.detail))
        detail = "; ".join(f"{one['pointer']}: {one['detail']}" for one in errors)
        return Problem(status=error.status_code, code="invalid_input", detail=detail, errors=errors)
    code = str(error.default_code)
    return Problem(
        status=error.status_code,
        code=CODES.get(code, code),
        detail=str(error.detail),
        headers=headers,
    )


def _foreign_problem(error: Exception) -> Problem:
    """Turn Django's errors into problems; the rest is a bug, whose words stay in the log."""
    if isinstance(error, Http404):
        return _api_problem(exceptions.NotFound())
    if isinstance(error, DjangoPermissionDenied):
        return _api_problem(exceptions.PermissionDenied())
    if isinstance(error, RequestDataTooBig):
        return Problem(status=413, code="body_too_large", detail="the request's body is too large")
    if isinstance(error, SuspiciousOperation):
        return Problem(status=400, code="malformed_request", detail="the request is malformed")
    if isinstance(error, OperationalError):
        log.warning("api.database_unavailable", error=type(error).__name__)
        return Problem(
            status=503,
            code="database_unavailable",
            detail="the database did not answer in time; try again shortly",
            headers={"Retry-After": str(BUSY_SECONDS)},
        )
    return Problem(
        status=500,
        code="internal_error",
        detail="something failed that should not; look at what you acted on before you repeat it",
    )


def _flattened(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """List DRF's nested messages as JSON pointers into the body (or names of parameters)."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            below = "" if name == "non_field_errors" else f"/{name}"
            yield from _flattened(inner, pointer + below)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _flattened(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield _pointed(pointer, str(detail), str(getattr(detail, "code", "invalid")))


def _pointed(pointer: str, detail: str, code: str) -> dict[str, str]:
    return {"pointer": f"#{pointer}", "detail": detail, "code": code}
