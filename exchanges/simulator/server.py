"""The simulator over real sockets: a port for each venue and one for control, on loopback.

A venue's port carries its REST and its WebSockets. The transport owns the wall clock and breaks connections on purpose where a fault rule asks for it.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from exchanges.simulator.breaking import response_of, spoilt
from exchanges.simulator.candles import DEFAULT_STRETCH, SAMPLE, load_tape
from exchanges.simulator.core.scenarios.play import DEFAULT
from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT, VENUES, Fault, Reply, Request
from exchanges.simulator.sockets import BEAT_SECONDS, Sockets, is_upgrade
from exchanges.simulator.state import StateFile

if TYPE_CHECKING:
    from exchanges.feeds.hub import Source
    from exchanges.simulator.live import LiveBooks

HOST = "127.0.0.1"
CONTROL = "control"
DEFAULT_PORTS: Mapping[str, int] = {CONTROL: 18080, UPBIT: 18081, BINANCE: 18082, BITHUMB: 18083}
ANY_PORTS: Mapping[str, int] = dict.fromkeys(DEFAULT_PORTS, 0)
ADVANCE_SECONDS = 0.25
START_SECONDS = 30
_STOP_SECONDS = 0.2

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run: `speed` is market time per wall time; `state` makes the world durable.

    `scenario` None: the one that a kept world has, else the usual one. `live`: public feeds to take the books from, instead of the stretch.
    """

    seed: int = 1
    speed: Decimal = Decimal(1)
    stretch: str = DEFAULT_STRETCH
    scenario: str | None = None
    data: Path = SAMPLE
    state: Path | None = None
    ports: Mapping[str, int] = field(default_factory=lambda: DEFAULT_PORTS)
    live: Sequence[Source] = ()


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  the server owns the wall clock


def wall_ms() -> int:
    """Read the wall clock."""
    return time.time_ns() // 1_000_000


def make_simulator(options: Options) -> Simulator:
    """Build a simulator that begins now; LookupError or KeyError for an unknown choice."""
    return Simulator(
        seed=options.seed,
        tape=load_tape(options.stretch, options.data),
        make_random=random.Random,
        speed=options.speed,
        wall_ms=wall_ms(),
        scenario=options.scenario or DEFAULT,
    )


class Server:
    """Listens on a port for each venue and one for control, inside one event loop."""

    def __init__(self, options: Options) -> None:
        """Prepare the simulator, and its state if it has a file."""
        self.options = options
        self.simulator = make_simulator(options)
        self.state: StateFile | None = None
        if options.state is not None:
            self.state = StateFile(
                options.state,
                self.simulator,
                lambda name: load_tape(name, options.data),
                scenario=options.scenario,
            )
        self._runners: dict[str, web.ServerRunner] = {}
        self._sites: dict[str, web.TCPSite] = {}
        self._ports = dict(options.ports)
        self._tasks: list[asyncio.Task[None]] = []
        self._live: LiveBooks | None = None
        self._sockets = Sockets(self.simulator)
        self._at_the_ports = asyncio.Lock()

    @property
    def urls(self) -> dict[str, str]:
        """Base URLs by venue, and of control."""
        return {name: f"http://{HOST}:{port}" for name, port in self._ports.items()}

    async def start(self) -> None:
        """Listen; OSError if a port is taken."""
        handlers: dict[str, Handler] = {venue: self._venue_handler(venue) for venue in VENUES}
        handlers[CONTROL] = self._handle_control
        for name, handler in handlers.items():
            runner = web.ServerRunner(
                web.Server(handler, access_log=None), shutdown_timeout=_STOP_SECONDS
            )
            await runner.setup()
            self._runners[name] = runner
            await self._listen(name)
        self.simulator.base_urls = self.urls
        self._tasks.append(asyncio.create_task(self._keep_time()))
        if self.options.live:
            self._begin_live()
        elif self.simulator.world.is_live:  # kept by the state file
            self.simulator.control("POST", "/control/live", body=b'{"on": false}')

    async def _listen(self, name: str) -> None:
        site = web.TCPSite(self._runners[name], HOST, self._ports[name])
        await site.start()
        self._sites[name] = site
        if self._ports[name] == 0:
            self._ports[name] = self._runners[name].addresses[0][1]

    async def stop(self) -> None:
        """Close the ports, save the state."""
        for task in self._tasks:
            task.cancel()
        if self._live is not None:
            self._live.stop()
        await self._sockets.close()
        for runner in self._runners.values():
            await runner.cleanup()
        if self.state is not None:
            self.state.close()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS if self._sockets.connections else ADVANCE_SECONDS)
            self.simulator.advance_to(wall_ms())
            self._sockets.flush()
            await self._open_or_close_ports()

    def _begin_live(self) -> None:
        """Take the books from public feeds; only who does so needs their library."""
        live = import_module("exchanges.simulator.live")
        self._live = live.LiveBooks(self.simulator, self.options.live, clock=_now)
        self._live.start()
        self._live.bring()  # until a market's first book comes it has none
        self._tasks.append(asyncio.create_task(self._keep_live(self._live, live.LIVE_SECONDS)))

    async def _keep_live(self, live: LiveBooks, every_seconds: float) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            self.simulator.advance_to(wall_ms())
            live.bring()
            self._sockets.flush()

    def _venue_handler(self, venue: str) -> Handler:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if is_upgrade(request):
                return await self._serve_socket(venue, request)
            body = await request.read()
            path, _, query = request.raw_path.partition("?")
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.simulator.advance_to(wall_ms())
            outcome = self.simulator.handle(venue, request.method, path, query, headers, body)
            at_ms = self.simulator.world.venue_ms(venue)
            if isinstance(outcome, Fault):
                self._sockets.flush()  # what happened is told, whatever becomes of the reply
                return await spoilt(request, outcome, at_ms)
            self._sockets.flush_soon()
            return response_of(outcome, at_ms)

        return handle

    async def _serve_socket(self, venue: str, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        asked = Request(
            venue=venue,
            method=request.method,
            path=path,
            query=query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=b"",
            remote=request.remote or HOST,
        )
        self.simulator.advance_to(wall_ms())
        served = await self._sockets.serve(request, asked)
        return response_of(served) if isinstance(served, Reply) else served

    async def _handle_control(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        path, _, query = request.raw_path.partition("?")
        self.simulator.advance_to(wall_ms())
        reply = self.simulator.control(request.method, path, query, body)
        self._sockets.flush_soon()
        await self._open_or_close_ports()
        return response_of(reply)

    async def _open_or_close_ports(self) -> None:
        async with self._at_the_ports:
            for venue in VENUES:
                is_refusing = self.simulator.faults.refuses_connections(venue)
                if is_refusing and venue in self._sites:
                    await self._sites.pop(venue).stop()
                elif not is_refusing and venue not in self._sites:
                    await self._listen(venue)


@dataclass(slots=True)
class RunningSimulator:
    """A simulator in a thread of its own; `stop` ends it, as does leaving a `with` block."""

    simulator: Simulator
    upbit_url: str
    binance_url: str
    bithumb_url: str
    control_url: str
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    ending: asyncio.Event

    def stop(self) -> None:
        """End the server and wait for its thread."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.ending.set)
            self.thread.join()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop."""
        self.stop()


def start_in_thread(
    *,
    seed: int = 1,
    speed: Decimal | int | str = 1,
    stretch: str = DEFAULT_STRETCH,
    scenario: str = "default",
    state: Path | None = None,
    ports: Mapping[str, int] = ANY_PORTS,
    live: Sequence[Source] = (),
) -> RunningSimulator:
    """Start a simulator in a thread and return it once it listens; raise what kept it from it."""
    options = Options(
        seed=seed,
        speed=Decimal(speed),
        stretch=stretch,
        scenario=scenario,
        state=state,
        ports=ports,
        live=live,
    )
    told: queue.SimpleQueue[RunningSimulator | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            asyncio.run(_serve(options, told.put))
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits for us
            told.put(error)

    threading.Thread(target=work, name="simulator", daemon=True).start()
    try:
        found = told.get(timeout=START_SECONDS)
    except queue.Empty:
        raise TimeoutError("the simulator did not start") from None
    if isinstance(found, BaseException):
        raise found
    return found


async def _serve(options: Options, tell: Callable[[RunningSimulator], object]) -> None:
    """Serve in this thread until asked to end; tells once it listens."""
    server, ending = Server(options), asyncio.Event()
    await server.start()
    tell(_running(server, threading.current_thread(), ending))
    await ending.wait()
    await server.stop()


def _running(server: Server, thread: threading.Thread, ending: asyncio.Event) -> RunningSimulator:
    urls = server.urls
    return RunningSimulator(
        simulator=server.simulator,
        upbit_url=urls[UPBIT],
        binance_url=urls[BINANCE],
        bithumb_url=urls[BITHUMB],
        control_url=urls[CONTROL],
        loop=asyncio.get_running_loop(),
        thread=thread,
        ending=ending,
    )
