"""One request out, one whole reply in, or LostError: no proxies, redirects, cookies or retries."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from exchanges.lasting import lasting_seconds
from exchanges.transport import leaving
from exchanges.transport.connection import (
    CONNECT_SECONDS,
    Attempt,
    DeadlineAdapter,
    current_attempt,
)
from exchanges.transport.wire import LostError, Reply, SignedRequest

IDLE_SECONDS = 20  # past this a kept connection may be dead without our knowing
BODY_LIMIT = 16 * 1024 * 1024


class HttpSender:
    """Sends to one base URL over kept connections. One instance belongs to one thread."""

    def __init__(self, base_url: str, *, body_limit: int = BODY_LIMIT) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ValueError("a base URL reads http(s)://host[:port][/path]")
        self._base_url = base_url.rstrip("/")
        self._body_limit = body_limit
        # No `Session`: it knows proxies and ~/.netrc, keeps cookies, and unpacks a redirect's whole body
        # even when it is told not to follow it.
        self._adapter = DeadlineAdapter(pool_maxsize=1)
        self._used_at = lasting_seconds()

    def send(
        self,
        signed: SignedRequest,
        *,
        deadline_seconds: float,
        is_fresh: bool,
        objection: leaving.Objection = leaving.none,
    ) -> Reply:
        """Send and read the whole reply within the deadline; `is_fresh` shuns idle connections.

        No byte leaves once `objection` says why.
        """
        if is_fresh and lasting_seconds() - self._used_at > IDLE_SECONDS:
            self._adapter.close()
        attempt = Attempt(ends_at=lasting_seconds() + deadline_seconds, objection=objection)
        token = current_attempt.set(attempt)
        try:
            return self._exchange(signed, attempt)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            cause = _root_name(error)
        finally:
            current_attempt.reset(token)
            self._used_at = lasting_seconds()
        # Raised out here, not in the handler: the caught exception's text may hold the URL and with it
        # a signature, so not even its `__context__` may carry it. Only the class name is kept.
        self._adapter.close()
        raise LostError(attempt.objected or cause, was_sent=attempt.was_sent)

    def _exchange(self, signed: SignedRequest, attempt: Attempt) -> Reply:
        began_at = time.monotonic()
        response = self._adapter.send(
            self._prepared(signed),
            stream=True,
            timeout=(min(CONNECT_SECONDS, attempt.seconds_left), attempt.seconds_left),
        )
        with response:
            body = self._whole_body(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(
                status=response.status_code,
                headers=headers,
                body=body,
                began_at=began_at,
                ended_at=time.monotonic(),
            )

    def _whole_body(self, response: requests.Response) -> bytes:
        """Read to the end: a truncated body shows itself only at the read after the last byte."""
        body = bytearray()
        while chunk := response.raw.read(65536, decode_content=False):
            body += chunk
            if len(body) > self._body_limit:
                raise urllib3.exceptions.ProtocolError("the reply is too large")
        return bytes(body)

    def _prepared(self, signed: SignedRequest) -> requests.PreparedRequest:
        """Give the request as signed: `prepare` would quote it anew."""
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = signed.method, self._base_url + signed.target
        prepared.body = signed.body
        prepared.headers = CaseInsensitiveDict(
            {"Accept": "application/json", "Accept-Encoding": "identity", **signed.headers}
        )
        if signed.body is not None:
            prepared.headers["Content-Length"] = str(len(signed.body))  # else it goes in chunks
        return prepared

    def close(self) -> None:
        """Give connections back."""
        self._adapter.close()


def _root_name(error: BaseException) -> str:
    """Give the class name of what lies at the bottom of an exception."""
    seen: BaseException = error
    for _ in range(8):
        inner = getattr(seen, "reason", None) or next(
            (item for item in seen.args if isinstance(item, BaseException)), None
        )
        inner = inner if isinstance(inner, BaseException) else seen.__cause__ or seen.__context__
        if inner is None:
            break
        seen = inner
    return type(seen).__name__
