"""Correlation: ids are bound for a block, checked, and carried across threads and tasks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from cycles.models.fields import public_code
from cycles.services.correlating import bound, carry, correlation, is_valid_id, resume


def test_unbound_ids_are_empty_columns() -> None:
    assert correlation() == {"request_id": "", "session_id": "", "trace_id": ""}


def test_bound_ids_are_put_back_after_the_block() -> None:
    with bound(request_id="outer", session_id="s1"):
        with bound(request_id="inner", trace_id=None):
            assert correlation() == {"request_id": "inner", "session_id": "s1", "trace_id": ""}
        assert correlation()["request_id"] == "outer"
    assert carry() == {}


def test_ids_are_put_back_after_an_error() -> None:
    with pytest.raises(RuntimeError), bound(request_id="r1"):
        raise RuntimeError
    assert carry() == {}


@pytest.mark.parametrize("ids", [{"request_id": "a b"}, {"request_id": "x" * 65}, {"other": "a"}])
def test_binding_refuses_what_no_column_could_keep(ids: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not an id"), bound(**ids):
        pass


@pytest.mark.parametrize("text", ["a", "CYC-0123", "req:1_2.3-4", "x" * 64])
def test_valid_ids(text: str) -> None:
    assert is_valid_id(text)


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a\nb", "a\n", "é", "a/b", '"', None, 7])
def test_invalid_ids(text: object) -> None:
    assert not is_valid_id(text)


def test_ids_cross_into_a_thread_only_when_carried() -> None:
    def in_thread(ids: dict[str, str]) -> dict[str, str]:
        with resume(ids):
            return carry()

    with bound(request_id="r1", cycle_id="CYC-1"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(carry).result() == {}
        carried = pool.submit(in_thread, carry()).result()
    assert carried == {"request_id": "r1", "cycle_id": "CYC-1"}


def test_resuming_drops_what_is_not_an_id() -> None:
    with resume({"request_id": "a b", "session_id": "s1", "strange": "x"}):
        assert carry() == {"session_id": "s1"}
    with resume(None):
        assert carry() == {}


def test_a_cycle_is_bound_by_its_code_whatever_names_it() -> None:
    cycle = UUID("0190a3c2-f0c4-7bd1-a1b2-c3d4e5f60718")
    for name in (cycle, str(cycle), public_code(cycle)):
        with bound(cycle_id=name):
            assert carry() == {"cycle_id": public_code(cycle)}
