"""The documents of feeds and recordings name what the code knows."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from exchanges.adapters.rates import client
from exchanges.feeds.states import Lack
from exchanges.recording.lines import Line

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def _rows(document: str) -> dict[str, str]:
    """Give the rows of the document's tables by the word in their first cell."""
    lines = (_DOCS / document).read_text("utf-8").splitlines()
    return {line.split("`")[1]: line for line in lines if line.startswith("| `")}


@pytest.mark.parametrize("lack", Lack)
def test_each_reason_for_no_book_is_explained(lack: Lack) -> None:
    assert lack.value in _rows("feeds.md")


@pytest.mark.parametrize("source", [client.FRANKFURTER, client.OPEN_ER_API, client.EXIMBANK])
def test_each_source_of_the_official_rate_is_explained(source: str) -> None:
    assert source in _rows("feeds.md")


@pytest.mark.parametrize("kind", get_args(Line))
def test_each_line_of_a_recording_is_explained_with_its_fields(kind: type[msgspec.Struct]) -> None:
    row = _rows("recordings.md")[str(kind.__struct_config__.tag)]
    shown = row + (_rows("recordings.md")["book"] if "as `book`" in row else "")
    missing = [name for name in kind.__struct_fields__ if name != "t" and f"`{name}`" not in shown]
    assert missing == []
