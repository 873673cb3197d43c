"""A relay before a server that hangs up on whoever comes after certain words, until it is mended."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Relay:
    """Passes connections on to a local port. Once a client has said `fatal`, new ones are hung up on."""

    def __init__(self, port: int, *, fatal: bytes) -> None:
        self._to, self._fatal = port, fatal
        self._is_cut = threading.Event()
        self._is_mended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def mend(self) -> None:
        """Let everybody through from now on."""
        self._is_mended.set()

    def close(self) -> None:
        """Accept nobody any more, and end with whoever is connected."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self._begin(self._serve, client)

    def _begin(self, work: Callable[..., None], *about: socket.socket) -> threading.Thread:
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
                back = self._begin(self._pass_on, server, client)
                self._pass_on(client, server)
                back.join()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while told := one.recv(65536):
                if self._fatal in told:
                    self._is_cut.set()
                other.sendall(told)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


@contextmanager
def relay(port: int, *, fatal: bytes) -> Iterator[Relay]:
    """Relay to a port for a block."""
    made = Relay(port, fatal=fatal)
    try:
        yield made
    finally:
        made.close()
