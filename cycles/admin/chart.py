"""The premium chart: lines in whole pixels for an inline SVG; no script, no inline style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

WIDTH, HEIGHT = 760, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 24
GRID_LINES = 4
STEPS = [Decimal(step) for step in (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000)]

Reading = tuple[datetime, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line: an SVG path (it breaks where nothing was known) and its newest value.

    An asset has its colour, a venue its way of being drawn.
    """

    name: str
    colour: int
    stroke: int
    path: str
    last: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line of the grid, at a pixel, with its text."""

    at: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Everything the template draws."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    zero: int | None
    curves: tuple[Curve, ...]
    levels: tuple[Tick, ...]
    times: tuple[Tick, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What maps instants and values to pixels."""

    start: datetime
    end: datetime
    low: Decimal
    high: Decimal

    def x(self, at: datetime) -> int:
        """Give the pixel of an instant."""
        span = max(self.end - self.start, timedelta(seconds=1))
        return LEFT + (at - self.start) * (WIDTH - LEFT - RIGHT) // span

    def y(self, value: Decimal) -> int:
        """Give the pixel of a value."""
        room = HEIGHT - TOP - BOTTOM
        return TOP + int((self.high - value) * room / (self.high - self.low))


def premium_chart(
    series: Mapping[str, Sequence[Reading]], *, gap: timedelta = timedelta(minutes=10)
) -> Chart | None:
    """Draw one curve per name, bps against time; None where there is nothing to draw.

    A name is an asset, followed by its venue if there are several. A pause longer than `gap` breaks the line: nothing is drawn that was not seen.
    """
    drawn = {name: readings for name, readings in series.items() if readings}
    if not drawn:
        return None
    frame, step = _frame([reading for readings in drawn.values() for reading in readings])
    assets, venues = (sorted({name.partition(" ")[part] for name in drawn}) for part in (0, 2))
    curves = tuple(
        Curve(
            name=name,
            colour=assets.index(name.partition(" ")[0]),
            stroke=venues.index(name.partition(" ")[2]),
            path=_path(frame, readings, gap),
            last=readings[-1][1],
        )
        for name, readings in sorted(drawn.items())
    )
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=HEIGHT - BOTTOM,
        zero=frame.y(Decimal(0)) if frame.low <= 0 <= frame.high else None,
        curves=curves,
        levels=_levels(frame, step),
        times=_times(frame),
    )


def _frame(readings: Sequence[Reading]) -> tuple[_Frame, Decimal]:
    """Fit all readings between round values."""
    values = [value for _at, value in readings]
    low, high = min(values), max(values)
    wanted = max((high - low) / GRID_LINES, Decimal(1))
    step = next((step for step in STEPS if step >= wanted), STEPS[-1])
    floor = (low / step).to_integral_value(rounding=ROUND_FLOOR) * step
    top = (high / step).to_integral_value(rounding=ROUND_CEILING) * step
    instants = [at for at, _value in readings]
    frame = _Frame(
        start=min(instants), end=max(instants), low=floor, high=top if top > floor else floor + step
    )
    return frame, step


def _path(frame: _Frame, readings: Sequence[Reading], gap: timedelta) -> str:
    """Write the line as SVG path commands."""
    parts: list[str] = []
    before: datetime | None = None
    for at, value in readings:
        command = "M" if before is None or at - before > gap else "L"
        parts.append(f"{command}{frame.x(at)} {frame.y(value)}")
        before = at
    if len(parts) == 1:
        parts.append("h2")
    return "".join(parts)


def _levels(frame: _Frame, step: Decimal) -> tuple[Tick, ...]:
    """Give the horizontal lines."""
    count = int((frame.high - frame.low) / step)
    values = [frame.low + step * number for number in range(count + 1)]
    return tuple(Tick(at=frame.y(value), text=f"{value:,.0f}") for value in values)


def _times(frame: _Frame) -> tuple[Tick, ...]:
    """Give five instants along the foot, in the time zone they were given in."""
    span = frame.end - frame.start
    instants = [frame.start + span * number / GRID_LINES for number in range(GRID_LINES + 1)]
    form = "%H:%M" if span > timedelta(minutes=5) else "%H:%M:%S"
    form = "%m-%d" if span > timedelta(days=5) else form
    return tuple(Tick(at=frame.x(at), text=format(at, form)) for at in instants)
