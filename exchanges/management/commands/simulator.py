"""`manage.py simulator`: run the simulated venues until SIGTERM or Ctrl-C. Needs no database."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import signal
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from exchanges.simulator.candles import SAMPLE, default_stretch, stretches
from exchanges.simulator.core.scenarios.library import SCENARIOS
from exchanges.simulator.core.values import VENUES
from exchanges.simulator.server import DEFAULT_PORTS, Options, Server


def _speed(text: str) -> Decimal:
    try:
        speed = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not speed.is_finite() or speed <= 0:
        raise argparse.ArgumentTypeError("the speed is above zero")
    return speed


def _place(text: str) -> tuple[str, str]:
    venue, _, url = text.partition("=")
    if venue not in VENUES or not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"write VENUE=URL, VENUE of {', '.join(VENUES)}")
    return venue, url


def _live_sources(options: dict[str, Any]) -> Sequence[Any]:
    """Give the public feeds that were asked for; they run at the market's own pace."""
    places = options["live_books"]
    if places is None:
        return ()
    if options["speed"] != 1:
        raise CommandError("live books come at the market's own pace: no --speed beside them")
    try:
        streams = import_module("exchanges.streams")
    except ImportError as error:
        raise CommandError(f"{error}: install kimp[simulator] anew") from error
    found: Sequence[Any] = streams.public_sources(dict(places) or dict.fromkeys(VENUES, ""))
    return found


class Command(BaseCommand):
    """Run the simulated venues: Upbit, Binance, Bithumb and the chain between them."""

    help = "Run the simulated venues (Upbit, Binance, Bithumb, the chain between them) on loopback."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--seed", type=int, default=1, help="of books, ids, keys, addresses")
        parser.add_argument(
            "--speed", type=_speed, default=Decimal(1), help="market seconds a wall second"
        )
        parser.add_argument(
            "--stretch",
            help=f"one of {', '.join(stretches())}, or START..END@BAR; or recording, if --data has one",
        )
        parser.add_argument(
            "--scenario",
            metavar="NAME",
            help=f"what the venues are like: {', '.join(SCENARIOS)}; with --state the one it had, if not named",
        )
        parser.add_argument(
            "--data",
            type=Path,
            default=SAMPLE,
            help="folder of candles (CSV), or of a recording by the feeder",
        )
        parser.add_argument(
            "--live-books",
            nargs="*",
            type=_place,
            metavar="VENUE=URL",
            help="take the books live from the venues' public feeds (paper trading on today's market), "
            "or from other addresses",
        )
        parser.add_argument("--state", type=Path, help="file that keeps the world between runs")
        for name in DEFAULT_PORTS:
            parser.add_argument(
                f"--{name}-port", type=int, default=DEFAULT_PORTS[name], help="0: any free port"
            )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run until told to stop."""
        chosen = Options(
            seed=options["seed"],
            speed=options["speed"],
            stretch=options["stretch"] or default_stretch(options["data"]),
            scenario=options["scenario"],
            data=options["data"],
            state=options["state"],
            ports={name: options[f"{name}_port"] for name in DEFAULT_PORTS},
            live=_live_sources(options),
        )
        try:
            asyncio.run(self._run(chosen))
        except LookupError as error:
            raise CommandError(str(error.args[0])) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise CommandError(f"A port of the simulator is taken: {error.strerror}.") from error

    async def _run(self, options: Options) -> None:
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        server = Server(options)
        try:
            await server.start()
            scenario = server.simulator.world.play.scenario
            told = {"stretch": options.stretch, "scenario": scenario}
            ready = {"event": "simulator_ready", **server.urls, **told}
            self.stdout.write(json.dumps(ready))
            self.stdout.flush()
            await ending.wait()
        finally:
            await server.stop()
