"""One message to Telegram's sendMessage; the token is in the URL, so no URL is ever shown."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from cycles.conf import Telegram
from exchanges.errors import VenueError
from exchanges.transport.plain import post_json
from exchanges.transport.reading import UNREADABLE

LONGEST = 4000  # of Telegram's 4096 characters
LONGEST_PAUSE_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one message; `retry_after_seconds` only when the channel said to wait."""

    outcome: str
    error: str = ""
    retry_after_seconds: int | None = None

    @property
    def is_delivered(self) -> bool:
        """Say whether the channel took the message."""
        return self.outcome == "delivered"


class _Parameters(msgspec.Struct):
    retry_after: int = 1


class _Answer(msgspec.Struct):
    ok: bool = False
    description: str = ""
    parameters: _Parameters | None = None


_READ = msgspec.json.Decoder(_Answer)


def send(channel: Telegram, text: str, timeout_seconds: float) -> Attempt:
    """Send one message, once; never raises for what the network or the channel does."""
    url = f"{channel.base_url}/bot{channel.token}/sendMessage"
    payload = {
        "chat_id": channel.chat_id,
        "text": text[:LONGEST],
        "disable_web_page_preview": True,
    }
    try:
        status, body = post_json(url, payload, timeout_seconds)
    except VenueError as error:
        return Attempt(outcome="lost", error=_without_token(str(error), channel))
    return _attempt(status, body, channel)


def _attempt(status: int, body: bytes, channel: Telegram) -> Attempt:
    try:
        answer = _READ.decode(body)
    except UNREADABLE:
        answer = _Answer()
    if status == 200 and answer.ok:
        return Attempt(outcome="delivered")
    error = _without_token(f"HTTP {status} {answer.description}".strip(), channel)
    if status == 429:
        pause = answer.parameters.retry_after if answer.parameters else 1
        pause = min(max(pause, 1), LONGEST_PAUSE_SECONDS)
        return Attempt(outcome="throttled", error=error, retry_after_seconds=pause)
    return Attempt(outcome="refused" if status < 500 else "failed", error=error)


def _without_token(text: str, channel: Telegram) -> str:
    return text.replace(channel.token, "[redacted]")[:500]
