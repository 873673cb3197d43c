"""Versions over HTTP: a strong ETag says what was read, If-Match says what was seen."""

from __future__ import annotations

import re

from rest_framework.request import Request

from cycles.api.problems import PreconditionRequired
from cycles.errors import InvalidInputError

_STRONG = re.compile(r'"(\d{1,9})"')


def etag(version: int) -> str:
    """Give the strong ETag of a version."""
    return f'"{version}"'


def seen_version(request: Request) -> int:
    """Read the version of If-Match; exactly one, never `*`: an act names what it saw.

    Raises PreconditionRequired (428) and InvalidInputError (400).
    """
    header = request.headers.get("If-Match", "").strip()
    if not header:
        raise PreconditionRequired
    found = _STRONG.fullmatch(header)
    if found is None:
        raise InvalidInputError('If-Match: one version in quotes, as in "7"')
    return int(found[1])
