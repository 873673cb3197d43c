"""An act under an Idempotency-Key: done once, its answer given again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from cycles.api.problems import MEDIA_TYPE, answer, problem_of
from cycles.errors import CycleError, InvalidInputError
from cycles.services import idempotency
from cycles.services.idempotency import Begun, Remembered
from exchanges.errors import StaleReferenceError

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT_HEADERS = ("ETag", "Location")
# Nothing was done and the same request may succeed later, as when a right was given: the key is given back.
PASSING = frozenset({403, 409, 412, 429, 503})


def once(request: Request, act: Callable[[], Response]) -> Response:
    """Run `act` under the request's key, or give the answer it got before.

    What `act` denies by raising is an answer too. An unforeseen error leaves the key taken: its
    outcome is unknown.
    """
    found = idempotency.begin(_user(request), _key(request), _asked(request))
    if isinstance(found, Remembered):
        return _again(found)
    try:
        response = act()
    except (CycleError, APIException, StaleReferenceError) as denied:
        response = answer(problem_of(denied), request)
    _settle(found, response)
    return response


def _user(request: Request) -> User:
    if not isinstance(request.user, User):
        raise TypeError("an act needs a user: permissions are checked before")
    return request.user


def _key(request: Request) -> str:
    key = request.headers.get(KEY_HEADER, "")
    if not key:
        raise InvalidInputError(f"{KEY_HEADER}: every act needs one; a UUID of yours will do")
    return key


def _asked(request: Request) -> str:
    body = json.dumps(request.data, sort_keys=True)
    seen = request.headers.get("If-Match", "")
    return idempotency.fingerprint(request.method, request.get_full_path(), seen, body)


def _again(found: Remembered) -> Response:
    """Give the remembered answer, marked as such."""
    headers = {**found.headers, REPLAYED_HEADER: "true"}
    media_type = MEDIA_TYPE if found.status >= 400 else None
    return Response(
        _ordered(found.body), status=found.status, headers=headers, content_type=media_type
    )


def _settle(begun: Begun, response: Response) -> None:
    """Keep an answer that stands; give the key back after one that passes."""
    if response.status_code in PASSING:
        idempotency.forget(begun)
        return
    body: Any = _ordered(json.loads(JSONRenderer().render(response.data) or b"null"))
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    idempotency.remember(begun, status=response.status_code, body=body, headers=headers)
    response.data = body


def _ordered(body: Any) -> Any:
    """Order the names of a body: the database keeps no order, and both answers are to be the same bytes."""
    return json.loads(json.dumps(body, sort_keys=True))
