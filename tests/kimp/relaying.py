"""A relay before a server of PostgreSQL, which has the troubles that a network has, where a test wants them."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SHARE = (
    0.4  # of what may be lost is, at random: what is run again by turns may not be lost by turns
)
NEVER = re.compile(rb"(?!)")
READY = re.compile(rb"Z\x00\x00\x00\x05.\Z", re.DOTALL)  # the server has done all that it was asked


@dataclass(eq=False)
class _Link:
    """One connection: the client's end and the server's, and whether the client still hears."""

    client: socket.socket
    server: socket.socket
    is_deaf: bool = False

    def cut(self) -> None:
        """Hang up on both."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Relay:
    """Passes connections on to a local port.

    Once a client has said `fatal`, new ones are hung up on until it is mended. Held, nothing gets through, and
    nobody is told so. Closed, its port refuses. While it is losing, connections break at certain words.
    """

    def __init__(self, port: int, *, fatal: bytes = b"") -> None:
        self._to, self._fatal = port, re.compile(re.escape(fatal)) if fatal else NEVER
        self._is_cut = threading.Event()
        self._is_mended = threading.Event()
        self._flows = threading.Event()
        self._flows.set()
        self.held_up = 0  # what clients have said that had to wait
        self.opened = 0  # connections so far
        self._guard = threading.Lock()
        self._breaks_at, self._is_heard = NEVER, False
        self._chance = random.Random(7)
        self.lost = 0  # how often a connection has broken at its words
        self._is_closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._links: list[_Link] = []
        self._begin(self._accept, self._listener)

    def mend(self) -> None:
        """Let everybody through from now on."""
        self._is_mended.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing through for a block, as a server that stands still; afterwards all arrives."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    @contextmanager
    def losing(self, words: bytes, *, is_heard: bool) -> Iterator[None]:
        """Break connections that say these words, the first and then some, for a block.

        The server has heard them and done what they say, but its reply is lost; or it never hears them.
        """
        self._breaks_at, self._is_heard = re.compile(words), is_heard
        try:
            yield
        finally:
            self._breaks_at = NEVER

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Hang up on everybody, and let the port refuse for a block, as that of a server that is stopped."""
        self._hang_up()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))  # nobody else's meanwhile; nobody listens
        try:
            yield
        finally:
            self._is_closed = False
            self._listener.listen()
            self._begin(self._accept, self._listener)

    def close(self) -> None:
        """Accept nobody any more, and hang up on whoever is connected still."""
        self._flows.set()
        self._hang_up()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _hang_up(self) -> None:
        self._is_closed = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in list(self._links):
            link.cut()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                self.opened += 1
                self._begin(self._serve, client)

    def _begin(self, work: Callable[..., None], *about: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=about, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _serve(self, client: socket.socket) -> None:
        """Pass on both ways until both have ended."""
        with client:
            if self._is_cut.is_set() and not self._is_mended.is_set():
                return
            with socket.create_connection(("127.0.0.1", self._to)) as server:
                link = _Link(client, server)
                self._links.append(link)
                if self._is_closed:  # since it was let in
                    link.cut()
                back = self._begin(self._answer, link)
                self._ask(link)
                back.join()

    def _ask(self, link: _Link) -> None:
        """Pass on what the client says."""
        with contextlib.suppress(OSError):
            while told := link.client.recv(65536):
                self.held_up += not self._flows.is_set()
                self._flows.wait()
                if self._fatal.search(told):
                    self._is_cut.set()
                if self._is_broken(told):
                    link.is_deaf = True
                    if not self._is_heard:
                        link.cut()
                        return
                link.server.sendall(told)
        with contextlib.suppress(OSError):
            link.server.shutdown(socket.SHUT_WR)

    def _answer(self, link: _Link) -> None:
        """Pass on what the server says, as long as its client hears."""
        with contextlib.suppress(OSError):
            while told := link.server.recv(65536):
                self._flows.wait()
                if not link.is_deaf:
                    link.client.sendall(told)
                elif READY.search(told):
                    link.cut()
        with contextlib.suppress(OSError):
            link.client.shutdown(socket.SHUT_WR)

    def _is_broken(self, told: bytes) -> bool:
        """Say whether the connection breaks at what was said."""
        if not self._breaks_at.search(told):
            return False
        with self._guard:
            is_lost = not self.lost or self._chance.random() < SHARE
            self.lost += is_lost
            return is_lost


@contextmanager
def relay(port: int, *, fatal: bytes = b"") -> Iterator[Relay]:
    """Relay to a port for a block."""
    made = Relay(port, fatal=fatal)
    try:
        yield made
    finally:
        made.close()
