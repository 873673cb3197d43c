"""Carries the venues' WebSocket sessions over aiohttp; the sessions decide, this only transports.

A connection has a task that writes what its session owes, so that one slow reader holds up nobody.
Frames are rendered by the core once for all; here the same bytes go to each connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping

from aiohttp import WSMessage, WSMsgType, web

from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.hub import BEAT_MS
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.values import Reply, Request

BEAT_SECONDS = BEAT_MS / 1000
LONGEST_MESSAGE_BYTES = 1 << 20
CLOSE_SECONDS = 1.0

_KINDS: Mapping[WSMsgType, str] = {
    WSMsgType.TEXT: frames.TEXT,
    WSMsgType.BINARY: frames.BINARY,
    WSMsgType.PING: frames.PING,
    WSMsgType.PONG: frames.PONG,
}


def is_upgrade(request: web.BaseRequest) -> bool:
    """Say whether a request asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def reset(request: web.BaseRequest) -> None:
    """Break the connection with a RST."""
    if request.transport is None:
        return
    endpoint = request.transport.get_extra_info("socket")
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


class Connection:
    """One socket and its session."""

    def __init__(self, session: Session, request: web.BaseRequest) -> None:
        """Prepare; the handshake comes with `run`."""
        self.session, self.request = session, request
        self.socket = web.WebSocketResponse(
            timeout=CLOSE_SECONDS,
            autoping=False,
            compress=False,
            max_msg_size=LONGEST_MESSAGE_BYTES,
        )
        self.owes = asyncio.Event()

    async def write(self) -> None:
        """Send what the session owes whenever there is something, until it ends."""
        while True:
            await self.owes.wait()
            self.owes.clear()
            for frame in self.session.take():
                if not await self._send(frame):
                    return

    async def _send(self, frame: Frame) -> bool:
        """Send a frame; False once the connection is over."""
        if frame.kind == frames.TEXT:
            await self.socket.send_frame(frame.data, WSMsgType.TEXT)
        elif frame.kind == frames.BINARY:
            await self.socket.send_frame(frame.data, WSMsgType.BINARY)
        elif frame.kind == frames.PING:
            await self.socket.ping(frame.data)
        elif frame.kind == frames.PONG:
            await self.socket.pong(frame.data)
        else:
            await self._end(frame)
            return False
        return True

    async def _end(self, frame: Frame) -> None:
        if frame.kind == frames.ABORT:
            reset(self.request)
        else:
            await self.socket.close(code=frame.code, message=frame.data)


class Sockets:
    """All open connections of one server."""

    def __init__(self, simulator: Simulator) -> None:
        """Begin without connections."""
        self.simulator = simulator
        self.connections: dict[Session, Connection] = {}
        self._is_flush_planned = False

    def flush(self) -> None:
        """Let the connections write that have something to write."""
        self._is_flush_planned = False
        ready = self.simulator.streams.ready
        while ready:
            session, _ = ready.popitem()
            connection = self.connections.get(session)
            if connection is not None:
                connection.owes.set()

    def flush_soon(self) -> None:
        """Do so once the reply in hand has been written."""
        if self.simulator.streams.ready and not self._is_flush_planned:
            self._is_flush_planned = True
            asyncio.get_running_loop().call_soon(self.flush)

    async def serve(self, request: web.BaseRequest, asked: Request) -> web.StreamResponse | Reply:
        """Carry a connection until it ends, or return the reply that refuses it."""
        session = self.simulator.streams.open(asked)
        if isinstance(session, Reply):
            return session
        connection = Connection(session, request)
        self.connections[session] = connection
        try:
            await connection.socket.prepare(request)
            connection.owes.set()
            await self._converse(connection)
        finally:
            self.connections.pop(session, None)
            self.simulator.streams.forget(session)
        return connection.socket

    async def _converse(self, connection: Connection) -> None:
        writer = asyncio.create_task(connection.write())
        try:
            async for message in connection.socket:
                self._hear(connection.session, message)
            if not connection.session.is_open:
                await writer  # it says goodbye itself
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _hear(self, session: Session, message: WSMessage) -> None:
        kind = _KINDS.get(message.type)
        if kind is None:
            return
        data = message.data.encode() if isinstance(message.data, str) else bytes(message.data)
        self.simulator.streams.hear(session, kind, data)
        self.flush()

    async def close(self) -> None:
        """End all connections, as a server that stops does."""
        for session in list(self.connections):
            session.close(frames.GOING_AWAY, "server stopping")
        self.flush()
        await asyncio.sleep(0)
