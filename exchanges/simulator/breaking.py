"""Breaking real connections the way a fault says: silence, FIN, RST, half a body, drips and floods."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import web

from exchanges.simulator.core.values import Fault, Reply
from exchanges.simulator.sockets import reset

FLOOD_CHUNK = 256 * 1024


def response_of(reply: Reply, at_ms: int | None = None) -> web.Response:
    """Turn a core's reply into one that aiohttp sends, dated by the venue's own clock if that is told."""
    headers = dict(reply.headers)
    if at_ms is not None:
        headers["Date"] = formatdate(at_ms // 1000, usegmt=True)
    headers["Content-Type"] = f"{reply.content_type};charset=UTF-8"
    return web.Response(status=reply.status, body=reply.body, headers=headers)


async def spoilt(request: web.BaseRequest, fault: Fault, at_ms: int) -> web.StreamResponse:
    """Spoil the answer to a request; what is returned matters only where the connection lives on."""
    if fault.action in {"hang", "delay"}:
        await asyncio.sleep(fault.milliseconds / 1000)
    if fault.action == "delay":
        return response_of(fault.reply, at_ms)
    transport = request.transport
    if transport is None:
        return web.Response()
    if fault.action == "drip":
        await _drip(transport, fault)
    if fault.action == "flood":
        return await _flood(request, fault)
    if fault.action == "truncated":
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        transport.write(head + fault.reply.body[:200])
    if fault.action in {"rst", "hang"}:
        reset(request)
    else:
        transport.close()
    return web.Response()


async def _drip(transport: asyncio.Transport, fault: Fault) -> None:
    """Send a whole reply byte by byte, from its first header on, until nobody listens."""
    reply = fault.reply
    phrase = HTTPStatus(reply.status).phrase
    head = (
        f"HTTP/1.1 {reply.status} {phrase}\r\nContent-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n\r\n"
    )
    for byte in head.encode() + reply.body:
        if transport.is_closing():
            return
        transport.write(bytes([byte]))
        await asyncio.sleep(fault.milliseconds / 1000)


async def _flood(request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    """Send a body of the fault's size as fast as it is read, until nobody listens."""
    response = web.StreamResponse(
        status=fault.reply.status, headers={"Content-Length": str(fault.size)}
    )
    response.content_type = fault.reply.content_type
    await response.prepare(request)
    chunk = b" " * FLOOD_CHUNK
    with suppress(ConnectionError):
        for _ in range(fault.size // FLOOD_CHUNK):
            await response.write(chunk)
    response.force_close()
    return response
