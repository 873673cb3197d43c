"""Reads what the log stream would show, as JSON lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kimp import logs

OPTIONS: Mapping[str, Any] = {"format": "json", "role": "web", "session_id": "s-default"}


class Lines(logging.Handler):
    """Keeps what the stream would show."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    @property
    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    @property
    def last(self) -> dict[str, Any]:
        return self.parsed[-1]

    def named(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.parsed if line["event"] == event]


@contextmanager
def captured(level: int, options: Mapping[str, Any] = OPTIONS) -> Iterator[Lines]:
    """Read every line of this process that reaches the root at `level`."""
    lines, root = Lines(), logging.getLogger()
    lines.setFormatter(logs.formatter(options))
    before = root.level
    root.addHandler(lines)
    root.setLevel(level)
    yield lines
    root.removeHandler(lines)
    root.setLevel(before)
