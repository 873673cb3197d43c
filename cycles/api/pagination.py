"""Pages by cursor: rows that arrive meanwhile neither repeat nor hide others."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as NotOfColumnError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from cycles.models import Cycle


class NewestFirst(CursorPagination):
    """By the time-ordered id, which is unique."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering: str | tuple[str, ...] = "-id"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Read a cursor; one that names no place in this list was not given by it."""
        try:
            cursor: Cursor | None = super().decode_cursor(request)
        except NotFound:
            raise _no_place() from None
        if cursor is not None and cursor.position is not None:
            column: Any = Cycle._meta.get_field(self.ordering[0].lstrip("-"))  # noqa: SLF001  documented API
            try:
                column.clean(cursor.position, None)
            except NotOfColumnError:
                raise _no_place() from None
        return cursor

    def get_page_size(self, request: Request) -> int | None:
        """Give how many rows are asked for; refuse what is no such number, or too many."""
        asked = request.query_params.get("page_size")
        if asked is None:
            return self.page_size
        is_whole = asked.isascii() and asked.isdigit() and len(asked) < 10
        if not is_whole or not 1 <= int(asked) <= self.max_page_size:
            told = f"a whole number from 1 to {self.max_page_size}"
            raise ValidationError({"page_size": [told]})
        return int(asked)


def _no_place() -> ValidationError:
    return ValidationError({"cursor": ["names no place in this list: follow `next`"]})


class MostAtRiskFirst(NewestFirst):
    """As the queue of dead letters is worked: by money at risk, then age."""

    ordering = ("-money_at_risk_krw", "status_since", "id")
