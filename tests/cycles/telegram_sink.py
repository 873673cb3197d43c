"""A Telegram of our own on a loopback socket: answers as scripted and keeps what it got."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any]]
OK: Answer = (200, {"ok": True, "result": {}})
BROKEN: Answer = (500, {"ok": False, "description": "Internal Server Error"})
SILENT: Answer = (0, {})  # takes the request and never answers


def throttled(seconds: int) -> Answer:
    """Answer 429, as Telegram does."""
    return 429, {"ok": False, "error_code": 429, "parameters": {"retry_after": seconds}}


@dataclass
class Sink:
    """What was asked of the sink; answers beyond the script are OK."""

    url: str = ""
    script: list[Answer] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, message: dict[str, Any]) -> Answer:
        """Keep a request and give its answer."""
        with self.lock:
            self.paths.append(path)
            self.messages.append(message)
            return self.script.pop(0) if self.script else OK

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.messages]


@contextmanager
def serving(script: Sequence[Answer] = ()) -> Iterator[Sink]:
    """Serve a sink on a free port of loopback."""
    sink = Sink(script=list(script))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, answer = sink.take(self.path, json.loads(self.rfile.read(length)))
            if status == 0:
                sink.closing.wait(30)
                return
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its own name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield sink
        sink.closing.set()
        server.shutdown()
        thread.join()
