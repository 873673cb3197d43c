"""Pages by cursor: rows that arrive meanwhile neither repeat nor hide others."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """By the time-ordered id, which is unique."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering: str | tuple[str, ...] = "-id"


class MostAtRiskFirst(NewestFirst):
    """As the queue of dead letters is worked: by money at risk, then age."""

    ordering = ("-money_at_risk_krw", "status_since", "id")
