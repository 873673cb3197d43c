"""A venue made of raw sockets that counts what reached it and misbehaves as told."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket], None]


@dataclass
class RawServer:
    """Listens on loopback; `choose` gives the behaviour for the n-th request.

    `accepted`, if set, has a connection instead: no request is read from it.
    """

    choose: Callable[[int, bytes], Behaviour]
    accepted: Behaviour | None = None
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        self.hang_up()
        for thread in self._threads:
            thread.join(5)

    def hang_up(self) -> None:
        """End every connection there is."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._guard:
                self.connections += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            if self.accepted is not None:
                self.accepted(sock)
                return
            while request := read_request(sock):
                with self._guard:
                    number = len(self.requests)
                    self.requests.append(request)
                self.choose(number, request)(sock)

    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]


def read_request(sock: socket.socket) -> bytes:
    """Read one request with its body; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            wanted = int(line.partition(b":")[2])
    while len(body) < wanted:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(
    body: bytes = b"{}",
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Behaviour:
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return lambda sock: sock.sendall(data)


def hang(sock: socket.socket) -> None:
    """Say nothing until the client goes."""
    with contextlib.suppress(OSError):
        sock.recv(1)
    raise ConnectionAbortedError


def close_before_reply(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    raise ConnectionAbortedError


def truncate(sock: socket.socket) -> None:
    """Promise 500 bytes, send 20, go."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    sock.sendall(head + b'{"uuid": "half a repl')
    close_before_reply(sock)


def dripper(stop: threading.Event) -> Behaviour:
    """Send one byte every 20 ms: no read time-out ever fires."""

    def drip(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not stop.wait(0.02):
            sock.sendall(b" ")

    return drip


def drip_from_the_start(sock: socket.socket) -> None:
    """Send the header of a reply byte by byte, and never come to its end."""
    endless = itertools.chain(b"HTTP/1.1 200 OK\r\nX-Slow: ", itertools.repeat(ord("z")))
    for byte in endless:
        sock.sendall(bytes([byte]))
        time.sleep(0.01)


def drip_handshake(sock: socket.socket) -> None:
    """Answer a TLS hello with a record of 16 KiB, a byte at a time."""
    sock.recv(65536)
    for byte in itertools.chain(b"\x16\x03\x03\x40\x00", itertools.repeat(0)):
        sock.sendall(bytes([byte]))
        time.sleep(0.01)


def break_handshake(sock: socket.socket) -> None:
    """Take a TLS hello, and break the connection."""
    sock.recv(65536)
    reset(sock)


def take_nothing(sock: socket.socket) -> None:
    """Leave what is sent where it is until the client has gone."""
    poller = select.poll()
    poller.register(sock, select.POLLRDHUP)
    poller.poll()


@dataclass
class Flood:
    """Sends a body without end behind a status line, and counts what was taken of it."""

    head: bytes
    chunk: bytes = b" " * 65536
    sent: int = 0

    def __call__(self, sock: socket.socket) -> None:
        sock.sendall(self.head)
        while True:
            sock.sendall(self.chunk)
            self.sent += len(self.chunk)


def in_turn(behaviours: Sequence[Behaviour]) -> Callable[[int, bytes], Behaviour]:
    """The n-th request gets the n-th behaviour, the last one for ever."""
    return lambda number, request: behaviours[min(number, len(behaviours) - 1)]


def by_path(routes: Mapping[str, Behaviour]) -> Callable[[int, bytes], Behaviour]:
    """Each `METHOD /path` has its behaviour; the query has no say."""

    def choose(number: int, request: bytes) -> Behaviour:
        method, target, _ = request.decode().split(" ", 2)
        return routes[f"{method} {target.partition('?')[0]}"]

    return choose


@contextlib.contextmanager
def serving(choose: Callable[[int, bytes], Behaviour]) -> Iterator[RawServer]:
    server = RawServer(choose)
    try:
        yield server
    finally:
        server.stop()


def raw_server(*behaviours: Behaviour) -> contextlib.AbstractContextManager[RawServer]:
    return serving(in_turn(behaviours))
