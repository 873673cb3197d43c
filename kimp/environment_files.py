"""The layers a setting may come from: four .env files, then the process environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import environ

_LINE = re.compile(r"\s*(#.*)?|(export )?[A-Za-z_0-9]+=.*")
PROCESS = "environment"


@dataclass(slots=True)
class Layer:
    """Names and texts from one place, and what was wrong with that place."""

    origin: str
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def file_names(environment: str, role: str) -> tuple[str, ...]:
    """Return the .env files in the order in which later ones win."""
    return (".env", f".env.{environment}", f".env.{role}", f".env.{role}.{environment}")


def layers(folder: Path, environment: str, role: str, process: Mapping[str, str]) -> list[Layer]:
    """Read every layer, the weakest first."""
    files = [read_file(folder / name) for name in file_names(environment, role)]
    return [*files, Layer(origin=PROCESS, texts=dict(process))]


def texts(found: Iterable[Layer]) -> dict[str, str]:
    """Give what each name is set to in the end."""
    return {name: text for layer in found for name, text in layer.texts.items()}


def read_file(path: Path) -> Layer:
    """Read one .env file; a missing one is an empty layer, an unreadable one a problem."""
    layer = Layer(origin=path.name)
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return layer
    except (OSError, UnicodeDecodeError):
        layer.problems.append(f"{path.name}: cannot be read")
        return layer
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):  # django-environ passes such a line over in silence
            layer.problems.append(f"{path.name} line {number}: is not NAME=value")

    class Reader(environ.Env):  # type: ignore[misc]  # django-environ ships no types
        ENVIRON: ClassVar[dict[str, str]] = layer.texts  # not os.environ

    known = [line for line in lines if _LINE.fullmatch(line)]
    Reader.read_env(_Text("\n".join(known)), overwrite=True, parse_comments=True)
    return layer


class _Text:
    """What django-environ takes for an open file."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> str:
        return self._text


def process_environment() -> Mapping[str, str]:
    """Return the process environment."""
    return os.environ
