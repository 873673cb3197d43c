"""A simulator with a state file finds its world again, however it ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exchanges.simulator.candles import load_tape
from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.server import DEFAULT_PORTS
from exchanges.simulator.state import Snapshot, StateError, StateFile, _classes, shape
from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker, new_simulator
from tests.exchanges.simulator.test_determinism import trade_and_send
from tests.exchanges.simulator.test_server import account_of, command, control, order


def stored(path: Path, stretch: str = "crash-2024-12-03") -> tuple[StateFile, Simulator]:
    simulator = new_simulator(seed=5, stretch=stretch)
    return StateFile(path, simulator, load_tape), simulator


def test_a_world_whose_process_was_killed_comes_back_from_its_log(tmp_path: Path) -> None:
    _, simulator = stored(tmp_path / "sim.state")
    speaker = Speaker(simulator)
    trade_and_send(speaker, 3)  # never closed: only the log knows
    _, again = stored(tmp_path / "sim.state")
    again.advance_to(speaker.wall_ms)
    assert again.world.journal.lines() == simulator.world.journal.lines()
    assert again.world.vault.cells == simulator.world.vault.cells
    assert again.problems() == []


def test_a_world_that_was_closed_comes_back_from_its_snapshot(tmp_path: Path) -> None:
    state, simulator = stored(tmp_path / "sim.state")
    trade_and_send(Speaker(simulator), 3)
    state.close()
    _, again = stored(tmp_path / "sim.state")
    assert again.world.vault.cells == simulator.world.vault.cells


def test_a_torn_last_entry_is_left_out(tmp_path: Path) -> None:
    state, simulator = stored(tmp_path / "sim.state")
    speaker = Speaker(simulator)
    speaker.credit("upbit", "XRP", "1")
    speaker.credit("upbit", "XRP", "2")
    log = tmp_path / f"sim.state.log.{state.generation}"
    log.write_bytes(log.read_bytes()[:-3])
    _, again = stored(tmp_path / "sim.state")
    assert again.world.free("upbit", "XRP") == 1


def test_an_input_is_never_replayed_twice_after_a_snapshot(tmp_path: Path) -> None:
    state, simulator = stored(tmp_path / "sim.state")
    speaker = Speaker(simulator)
    speaker.credit("upbit", "XRP", "1")
    old = tmp_path / f"sim.state.log.{state.generation}"
    kept = old.read_bytes()
    state.save()
    old.write_bytes(kept)  # as if the crash came before the old log was removed
    _, again = stored(tmp_path / "sim.state")
    assert again.world.free("upbit", "XRP") == 1


def test_a_burned_identifier_stays_burned(tmp_path: Path) -> None:
    _, simulator = stored(tmp_path / "sim.state")
    body = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "9000000000"}
    Speaker(simulator).upbit("POST", "/v1/orders", **body, identifier="k0")
    body["price"] = "90000000"
    refused = Speaker(simulator).upbit("POST", "/v1/orders", **body, identifier="k1")
    assert refused.body["error"]["name"] == "insufficient_funds_bid"
    _, again = stored(tmp_path / "sim.state")
    repeated = Speaker(again).upbit("POST", "/v1/orders", **body, identifier="k1")
    assert repeated.body["error"]["name"] == "duplicated_identifier"


def test_what_a_fault_changed_of_the_venue_stays_changed(tmp_path: Path) -> None:
    _, simulator = stored(tmp_path / "sim.state")
    speaker = Speaker(simulator)
    speaker.fault("F21", "upbit", args={"min_notional": "50000"}, when="once")
    body = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
    refused = speaker.upbit("POST", "/v1/orders", **body)
    assert refused.body["error"]["name"] == "under_min_total_bid"
    _, again = stored(tmp_path / "sim.state")
    assert again.world.markets["upbit", "KRW-XRP"].min_notional == 50_000


def test_a_reset_of_an_untouched_world_is_kept_too(tmp_path: Path) -> None:
    _, simulator = stored(tmp_path / "sim.state")
    Speaker(simulator).control("POST", "/control/reset", seed=77)
    _, again = stored(tmp_path / "sim.state")
    assert again.world.seed == 77


def test_another_stretch_goes_on_with_the_same_balances(tmp_path: Path) -> None:
    _, simulator = stored(tmp_path / "sim.state")
    speaker = Speaker(simulator)
    speaker.credit("upbit", "BTC", "3")
    resting = {"market": "KRW-BTC", "side": "ask", "ord_type": "limit", "volume": "1"}
    speaker.upbit("POST", "/v1/orders", **resting, price="900000000")
    _, again = stored(tmp_path / "sim.state", "band-2024-03")  # knows no BTC
    assert again.world.recording.name == "band-2024-03"
    assert again.world.free("upbit", "BTC") == 3
    assert again.problems() == []


def test_the_state_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    stored(tmp_path / "sim.state")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_new_file_starts_a_new_world(tmp_path: Path) -> None:
    _, simulator = stored(tmp_path / "deep" / "sim.state")
    assert simulator.world.wall_ms == BEGIN_MS
    assert (tmp_path / "deep" / "sim.state").exists()


def of_another_version(path: Path) -> bytes:
    """Write a state as the simulator of two venues did: a bare pickle."""
    state, _ = stored(path)
    state.close()
    path.write_bytes(path.read_bytes().partition(b"\n")[2])
    return path.read_bytes()


def test_a_state_of_another_version_is_refused_in_one_sentence_and_left_alone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sim.state"
    old = of_another_version(path)
    with pytest.raises(StateError, match="written by another version"):
        stored(path)
    assert path.read_bytes() == old


def test_the_shape_names_the_venues_and_every_field_that_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = shape()
    monkeypatch.setattr("exchanges.simulator.state.VENUES", ("upbit", "binance"))
    shape.cache_clear()
    assert shape() != before
    monkeypatch.undo()
    shape.cache_clear()
    assert shape() == before
    named = {kind.__name__ for kind in _classes(Snapshot)}
    assert named >= {"World", "Order", "Fill", "Settings", "Withdrawal", "Deposit", "Market"}


@pytest.mark.processes
def test_the_command_says_why_it_does_not_take_a_state(tmp_path: Path) -> None:
    of_another_version(tmp_path / "sim.state")
    ended = subprocess.run(
        [sys.executable, "manage.py", "simulator", "--state", str(tmp_path / "sim.state"),
         *(f"--{name}-port=0" for name in DEFAULT_PORTS)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith("CommandError: the state in")
    assert "Traceback" not in ended.stderr


@pytest.mark.processes
def test_sigkill_loses_no_order_that_was_replied_to(tmp_path: Path) -> None:
    options = ["--state", str(tmp_path / "sim.state"), "--scenario", "unlimited"]
    with command(*options) as (process, ready):
        account = account_of(ready["control"])
        replies = [order(ready["upbit"], account, f"k{number}") for number in range(20)]
        assert {reply.status_code for reply in replies} == {201}
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with command(*options) as (_, ready):
        rows = control(ready["control"], "GET", "/control/orders")
        assert {row["client_order_id"] for row in rows} == {f"k{n}" for n in range(20)}
        assert {row["venue_order_id"] for row in rows} == {r.json()["uuid"] for r in replies}
        assert account_of(ready["control"])["secret_key"] == account["secret_key"]
        assert control(ready["control"], "GET", "/control/invariants")["ok"] is True
