"""A request that was given up does not reach its venue later, when the way there is open again.

The venue takes little and reads nothing until then: the rest waits in the kernel of the sender.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchanges.errors import OutcomeUnknownError
from exchanges.transport import connecting
from tests.benchmarks.children import running
from tests.desk import eventually
from tests.exchanges.raw_server import read_request, reply
from tests.exchanges.transport.sending import BODY, PATIENCE_SECONDS
from tests.exchanges.transport.test_deadlines import transport_to
from tests.exchanges.transport.test_losses import MONEY, ordered

ROOM_BYTES = 4096
SENDING = ["-m", "tests.exchanges.transport.sending"]
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # Linux; Python does not name them
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # of each packet, let no byte in

only_linux = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel knows no such time-out"
)


@contextlib.contextmanager
def venue_of_little_room() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)  # of its sockets too
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def accepted(listener: socket.socket) -> socket.socket:
    sock, _ = listener.accept()
    sock.settimeout(PATIENCE_SECONDS)
    return sock


def body_of(received: bytes) -> bytes:
    return received.partition(b"\r\n\r\n")[2]


def has_begun(sock: socket.socket) -> bool:
    """Say whether some of a body is here: the sender's kernel has the whole of it then, by one call."""
    return bool(body_of(sock.recv(ROOM_BYTES, socket.MSG_PEEK)))


def drained(sock: socket.socket) -> bytes:
    """Read to the end, whichever it is, and give the body."""
    taken = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(65536):
            taken += chunk
    return body_of(bytes(taken))


def body_after_giving_up() -> bytes:
    with (
        venue_of_little_room() as listener,
        transport_to(url_of(listener), body=BODY) as transport,
    ):
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        with accepted(listener) as sock:
            return drained(sock)


def test_an_order_that_was_given_up_does_not_arrive_later() -> None:
    assert len(body_after_giving_up()) < len(BODY)


def test_control_closed_without_a_reset_it_arrives_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lingering = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
    monkeypatch.setattr(connecting, "_RESET_WHEN_CLOSED", lingering)
    assert body_after_giving_up() == BODY


@pytest.mark.processes
def test_an_order_whose_process_was_killed_does_not_arrive_later() -> None:
    with (
        venue_of_little_room() as listener,
        running([*SENDING, url_of(listener), str(PATIENCE_SECONDS)], {}) as child,
        accepted(listener) as sock,
    ):
        assert read_request(sock)
        reply()(sock)
        eventually(lambda: has_begun(sock))
        child.process.kill()
        child.process.wait()
        assert len(drained(sock)) < len(BODY)


@only_linux
@pytest.mark.processes
def test_an_order_whose_process_is_paused_does_not_arrive_after_its_deadline() -> None:
    """The way is cut, and open again once the sender's kernel has given up: nobody else could."""
    with (
        venue_of_little_room() as listener,
        running([*SENDING, url_of(listener), "2"], {}) as child,
        accepted(listener) as sock,
    ):
        assert read_request(sock)
        with cut_off(sock):
            reply()(sock)
            eventually(lambda: (unacknowledged(sock) or 0) > len(BODY))
            child.process.send_signal(signal.SIGSTOP)
            eventually(lambda: unacknowledged(sock) is None)
        sock.sendall(b"?")  # who is not there any more answers with a reset
        assert drained(sock) == b""
        child.process.kill()


@only_linux
@pytest.mark.processes
def test_nor_does_one_whose_venue_took_no_more_until_then() -> None:
    with (
        venue_of_little_room() as listener,
        running([*SENDING, url_of(listener), "2"], {}) as child,
        accepted(listener) as sock,
    ):
        assert read_request(sock)
        reply()(sock)
        eventually(lambda: has_begun(sock))
        child.process.send_signal(signal.SIGSTOP)
        eventually(lambda: unacknowledged(sock) is None)
        assert len(drained(sock)) < len(BODY)
        child.process.kill()


@contextlib.contextmanager
def cut_off(sock: socket.socket) -> Iterator[None]:
    """Let nothing in that comes for a socket."""
    code = ctypes.create_string_buffer(DROP_ALL, len(DROP_ALL))
    program = struct.pack("HL", 1, ctypes.addressof(code))
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except PermissionError:
        pytest.skip("this system lets no ordinary user filter a socket")
    yield
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def unacknowledged(sock: socket.socket) -> int | None:
    """Give how many bytes the other end has yet to deliver; None when it has given the connection up."""
    there, here = (f":{name[1]:04X}" for name in (sock.getpeername(), sock.getsockname()))
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        if (local[-5:], remote[-5:], state) == (there, here, "01"):
            return int(queues.partition(":")[0], 16)
    return None
