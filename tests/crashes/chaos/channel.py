"""The channel that takes the desk's alerts, over a real socket; it may refuse, throttle or keep silent."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS: dict[str, tuple[int, dict[str, object]]] = {
    "takes": (200, {"ok": True}),
    "fails": (502, {}),
    "throttles": (429, {"ok": False, "parameters": {"retry_after": 1}}),
    "hangs": (504, {}),  # once the sender has long given up
}
TROUBLES = ("fails", "throttles", "hangs")
HANG_SECONDS = 15.0


@dataclass
class Channel:
    """What the channel does now, and every text that it took."""

    mood: str = "takes"
    port: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    turned_away: Counter[str] = field(default_factory=Counter)
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def variables(self) -> dict[str, str]:
        """Give the settings of a desk that tells its alerts here."""
        return {
            "KIMP_TELEGRAM_BASE_URL": f"http://127.0.0.1:{self.port}",
            "KIMP_TELEGRAM_TOKEN": "of-a-test",
            "KIMP_TELEGRAM_CHAT_ID": "1",
        }

    def answer(self, text: str) -> tuple[int, dict[str, object]]:
        """Take a message, or do not, as the mood is."""
        mood = self.mood
        if mood == "hangs":
            self.ending.wait(HANG_SECONDS)
        if mood == "takes":
            self.taken[text] += 1
        else:
            self.turned_away[mood] += 1
        return ANSWERS[mood]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    channel: Channel

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked was killed."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Answer one message."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, document = self.server.channel.answer(told["text"])
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's word
        """Keep quiet."""


@contextmanager
def open_channel() -> Iterator[Channel]:
    """Open a channel on a free port."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.channel = channel = Channel(port=server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield channel
        finally:
            channel.ending.set()
            server.shutdown()
            thread.join()
