"""Small parts of the pages: numbers, the chart, the runbook."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from cycles.admin import show
from cycles.admin.chart import HEIGHT, WIDTH, premium_chart
from cycles.admin.policy_page import GROUPS
from cycles.admin.runbook import RUNBOOK
from cycles.admin.verbs import VERBS
from cycles.domain.words import FailureClass
from cycles.models import PolicyVersion
from cycles.services.desk import FIXED_COLUMNS

NOON = datetime(2024, 12, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("140901797.4"), "₩140,901,797"),
        (Decimal("-1500.5"), "−₩1,500"),
        (Decimal(0), "₩0"),
        (None, "–"),
    ],
)
def test_won_have_no_fraction_and_a_true_minus(value: Decimal | None, text: str) -> None:
    assert show.krw(value) == text


@pytest.mark.parametrize(("language", "text"), [("ko", "₩1.4억"), ("en", "₩140.9M")])
def test_headlines_are_short_in_the_readers_way(language: str, text: str) -> None:
    with translation.override(language):
        assert show.krw_short(Decimal(140_901_797)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2000.000000000000000000", "2,000"),
        ("0.000000010000000000", "0.00000001"),
        ("-3.50", "−3.5"),
    ],
)
def test_quantities_drop_idle_zeros(value: str, text: str) -> None:
    assert show.quantity(Decimal(value)) == text


def test_a_label_escapes_what_it_shows() -> None:
    assert show.badge("X", "<script>") == '<span class="badge plain">&lt;script&gt;</span>'


def test_an_age_tells_the_past_from_the_future() -> None:
    assert ">10 s ago<" in show.age(NOON - timedelta(seconds=10), NOON)
    assert ">in 10 s<" in show.age(NOON + timedelta(seconds=10), NOON)


def test_a_chart_without_readings_is_none() -> None:
    assert premium_chart({"XRP": []}) is None


def test_a_curve_breaks_where_nothing_was_seen() -> None:
    readings = [(NOON + timedelta(minutes=m), Decimal(m)) for m in (0, 1, 2, 60, 61)]
    chart = premium_chart({"XRP": readings})
    assert chart is not None
    assert chart.curves[0].path.count("M") == 2


def test_an_asset_keeps_its_colour_at_every_venue_and_a_venue_its_stroke() -> None:
    seen = [(NOON, Decimal(1)), (NOON + timedelta(minutes=1), Decimal(2))]
    chart = premium_chart(
        dict.fromkeys(("BTC upbit", "XRP bithumb", "XRP upbit", "BTC bithumb"), seen)
    )
    assert chart is not None
    drawn = {curve.name: (curve.colour, curve.stroke) for curve in chart.curves}
    assert drawn == {
        "BTC bithumb": (0, 0),
        "BTC upbit": (0, 1),
        "XRP bithumb": (1, 0),
        "XRP upbit": (1, 1),
    }


@pytest.mark.parametrize("values", [["0"], ["5", "5"], ["-900", "1200"], ["0.1", "0.2"]])
def test_every_point_lies_inside_the_frame(values: list[str]) -> None:
    readings = [(NOON + timedelta(seconds=n), Decimal(v)) for n, v in enumerate(values)]
    chart = premium_chart({"XRP": readings})
    assert chart is not None
    for point in chart.curves[0].path.replace("h2", "").replace("L", "M").split("M")[1:]:
        x, y = map(int, point.split())
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT


def test_the_runbook_has_a_hint_for_every_failure_class() -> None:
    assert set(RUNBOOK) == set(FailureClass)
    assert all(hint.meaning and hint.check and hint.usual for hint in RUNBOOK.values())


def test_the_letters_of_the_verbs_are_distinct() -> None:
    letters = [chosen.letter for chosen in VERBS.values()]
    assert len(set(letters)) == len(letters)


def test_the_policy_form_has_every_column_of_the_policy() -> None:
    columns = {field.name for field in PolicyVersion._meta.concrete_fields} - FIXED_COLUMNS
    assert {name for _title, names in GROUPS for name in names} == columns
