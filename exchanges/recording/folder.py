"""The files of a recording, read in their order; a torn tail is read as far as it goes."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from exchanges.recording.lines import Line, decode
from exchanges.recording.moments import Moment, moments

PATTERN = "kimp-*.jsonl.gz"
CHUNK = 1 << 16
GZIP = 31  # zlib's way of saying that a gzip header and trailer stand around the stream


def files_of(folder: Path) -> list[Path]:
    """Give the files of a recording, oldest first: their names begin with their first instant."""
    return sorted(folder.glob(PATTERN))


def recorded(folder: Path) -> Iterator[Moment]:
    """Give what was seen, in order. Raises LookupError for a folder without a recording."""
    files = files_of(folder)
    if not files:
        raise LookupError(f"no recording ({PATTERN}) in {folder}")
    return moments(line for path in files for line in read(chunks_of(path)))


def chunks_of(path: Path) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def read(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Read the lines of one file up to its end or its tear: a line that is not whole is no line."""
    rest = b""
    for text in _inflated(chunks):
        *whole, rest = (rest + text).split(b"\n")
        for line in whole:
            try:
                yield decode(line)
            except ValueError:  # what a tear has left in the middle of a file nobody wrote on
                return


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(GZIP)
    for chunk in chunks:
        before = inflater.copy()
        try:
            yield inflater.decompress(chunk)
        except zlib.error:
            yield from _up_to_damage(before, chunk)
            return


def _up_to_damage(inflater: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """Read a damaged piece byte by byte, as far as it makes sense."""
    with contextlib.suppress(zlib.error):
        for index in range(len(chunk)):
            yield inflater.decompress(chunk[index : index + 1])
