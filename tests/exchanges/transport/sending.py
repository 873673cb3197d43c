"""A process that sends a venue two requests over one connection: a short one, then one that takes longer to arrive."""

from __future__ import annotations

import contextlib
import sys

from exchanges.transport.http import HttpSender
from exchanges.transport.wire import LostError, SignedRequest

BODY = b"x" * 65536
PATIENCE_SECONDS = 60


def main(url: str, seconds: str) -> None:
    """Send both; the long one has so many seconds."""
    sender = HttpSender(url)
    with contextlib.suppress(LostError):
        for body, deadline_seconds in ((b"{}", PATIENCE_SECONDS), (BODY, int(seconds))):
            signed = SignedRequest(method="POST", target="/v1/orders", body=body)
            sender.send(signed, deadline_seconds=deadline_seconds, is_fresh=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
