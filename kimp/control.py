"""The simulator's control port, as an operator of the rehearsal speaks to it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

SECONDS = 10


def ask(url: str, document: Mapping[str, object] | None = None, *, method: str = "") -> Any:
    """Read a control address, or post a document to it; raises OSError when it says no."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(  # noqa: S310  our own loopback address
        url,
        data=body,
        headers={"Content-Type": "application/json"},
        method=method or ("GET" if body is None else "POST"),
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # noqa: S310  as above
        return json.loads(reply.read() or b"null")
