"""A page of transfers is read row by row."""

from __future__ import annotations

import pytest

from exchanges.transport.decoding import UnreadableError
from exchanges.transport.paging import Page, read_page
from exchanges.transport.reading import decode
from exchanges.values import DepositReport

ODD, NAMELESS = b'["ODD"]', b'["\xff"]'


def read(rows: bytes, error: Exception) -> Page[DepositReport]:
    def row(raw: bytes) -> DepositReport:
        raise error

    return read_page(rows, row, asset_of=lambda raw: decode(raw, list[str])[0])


@pytest.mark.parametrize("error", [UnreadableError(), ValueError(), OverflowError()])
def test_a_row_that_cannot_be_read_hides_its_own_asset(error: Exception) -> None:
    page = read(b"[" + ODD + b"]", error)
    assert (len(page.rows), page.count) == (0, 1)
    assert page.unreadable == {"ODD"}


def test_a_row_whose_asset_is_no_text_makes_the_page_unreadable() -> None:
    with pytest.raises(UnreadableError):
        read(b"[" + NAMELESS + b"]", UnreadableError())
