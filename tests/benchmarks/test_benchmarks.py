"""The benchmarks themselves, at tiny sizes: they run, and their fingerprints hold. No times are judged."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from cycles.models import Cycle, ExchangeCall
from cycles.services import redriving as redriving_service
from cycles.services.working import REMEMBER_SECONDS
from exchanges.recent import READ_FROM
from tests.benchmarks import (
    batches,
    budgets,
    connecting,
    durable,
    feeding,
    grouping,
    growth,
    in_flight,
    others,
    pgbench,
    place,
    redriving,
    retention,
    simulator_core,
    simulator_http,
    statements,
    step_growth,
    streaming,
    takeover,
    waking,
    worked,
)
from tests.benchmarks.__main__ import QUICK, SIZES, asked, grown
from tests.benchmarks.findings import Findings
from tests.benchmarks.frames import made
from tests.desk import operator

STATEMENTS_OF_TWO_STEPS = {
    "kimp_intend": 2,
    "kimp_settle": 2,
    "WITH cycles_cycle": 1,
}  # two intents, two outcomes, a claim
READ_FOR_ALL = {  # what is the same for each cycle is read for all, anew once a second
    "exchanges_networkrule": 2, "cycles_policyversion": 1, "exchanges_marketrule": 1, "cycles_premiumsample": 1,
    "exchanges_venueclock": 1, "exchanges_registeredaddress": 1, "exchanges_alloweddestination": 1,
    "exchanges_assetidentity": 1,
}  # fmt: skip
WRITTEN_FOR_ALL = {"UPDATE exchanges_venueclock": 1}  # each half minute: that trading may go on
CONNECTIONS_OF_A_WORKER = 18  # 16 pooled, one that listens, one for the rate budget
MOST_QUERIES_A_TICK = 7
MOST_STATEMENTS_A_READ = 0.5  # tokens are bought in batches, the more the busier
MOST_MORE, A_PAGE = 1.2, 1  # of a handful of pages a fifth is less than one


def values(found: Findings) -> dict[str, float]:
    assert all(figure.value > 0 for figure in found.figures if figure.unit != "ms")
    return {figure.what: figure.value for figure in found.figures}


def test_the_core_does_the_same_work_each_time() -> None:
    found = simulator_core.run(**QUICK["simulator_core"])
    assert found.work["is_repeatable"]
    values(found)


def test_every_order_over_http_reaches_its_venue() -> None:
    found = simulator_http.run(**QUICK["simulator_http"])
    values(found)
    orders, ways = QUICK["simulator_http"]["orders"], 4
    assert found.work["orders_at_venues"] == orders * ways


def test_every_frame_becomes_a_book_and_a_decision_and_the_frames_are_the_same_each_time() -> None:
    found = streaming.run(**QUICK["streaming"], compares=False)
    values(found)
    assert found.work["frames"] == found.work["decisions"] == 100 * QUICK["streaming"]["rounds"]
    assert found.work["markets"] == 100
    assert found.work["fingerprint"] == made(QUICK["streaming"]["rounds"]).fingerprint


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_durable_step_takes_a_counted_number_of_statements() -> None:
    """Exactly its own, however many cycles; and of what is read for all of them no more for more."""
    cycles = 12
    found = durable.run(cycles=cycles, rounds=1, shapes=durable.SHAPES[:1])
    values(found)
    statements = Counter(found.work["statements"])
    own = {
        name: sum(number for shape, number in statements.items() if name in shape)
        for name in STATEMENTS_OF_TWO_STEPS
    }
    look_in_vain = {"WITH cycles_cycle": 1}
    wanted = {name: number * cycles for name, number in STATEMENTS_OF_TWO_STEPS.items()}
    assert own == Counter(wanted) + Counter(look_in_vain)
    shared = {
        shape: number
        for shape, number in statements.items()
        if not any(name in shape for name in own)
    }
    times = 1 + int(found.work["seconds"] / (REMEMBER_SECONDS * READ_FROM))
    most = {f"SELECT {table}": number * times for table, number in READ_FOR_ALL.items()}
    most |= WRITTEN_FOR_ALL
    assert {shape: n for shape, n in shared.items() if n > most.get(shape, 0)} == {}
    assert found.work["synchronous_commit"] == "on"


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_worker_drives_more_cycles_than_it_has_connections() -> None:
    flight = in_flight.Flight(processes=1, threads=24, answer_ms=200)
    flown = in_flight.run(cycles=24, flights=(flight,))
    assert values(flown)["connections of them all"] <= CONNECTIONS_OF_A_WORKER < flight.threads
    (done,) = flown.work["done"][str(flight)]
    assert done["calls"] == {"PLACE_ORDER DONE": 24, "WITHDRAW DONE": 24}
    assert done["orders at venues"] == 24


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_flight_and_its_reference_do_equal_work_and_take_turns_in_who_is_first() -> None:
    flight = in_flight.Flight(processes=1, threads=2, is_within=True)
    flown = in_flight.run(cycles=4, rounds=2, flights=(flight,))
    values(flown)
    rounds = flown.work["done"][str(flight)]
    assert [one["reference"] for one in rounds] == ["first", "second"]
    equal = {"PLACE_ORDER DONE": 4, "WITHDRAW DONE": 4}
    assert [one["calls"] for one in rounds] == [equal, equal]
    assert worked.since(0)["calls"] == {what: 2 * number for what, number in equal.items()}


@pytest.mark.processes
@pytest.mark.parametrize("client", ["pgbench", "psycopg"])
@pytest.mark.django_db(transaction=True)
def test_the_statements_alone_do_the_steps_of_all_cycles(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if client == "pgbench" and pgbench.program() is None:
        pytest.skip("this server brings no pgbench")
    monkeypatch.setattr(statements, "CLIENT", client)
    with place.desk():
        durable.open_cycles(12, operator())
        assert statements.rate(12, clients=2) > 0
        assert worked.since(0)["calls"] == {"PLACE_ORDER DONE": 12, "WITHDRAW DONE": 12}
        handed_back = Cycle.objects.filter(lease_owner="", lease_expires_at=None)
        assert handed_back.count() == 12


@pytest.mark.processes
@pytest.mark.skipif(not others.READY.exists(), reason=others.MISSING)
@pytest.mark.django_db(transaction=True)
def test_the_others_do_all_of_their_work_durably_and_we_are_held_against_each() -> None:
    found = others.run(
        cycles=2, jobs=6, workflows=4, rounds=1,
        shapes=(others.Shape(processes=2, at_once=2),),
        flights=(in_flight.Flight(processes=1, threads=2, answer_ms=0),),
    )  # fmt: skip
    values(found)
    assert found.work["steps done"] == {"procrastinate": 6, "dbos": 4 * 2}
    ((ours,),) = found.work["ours"].values()
    assert ours["calls"] == {"PLACE_ORDER DONE": 2, "WITHDRAW DONE": 2}
    assert set(found.work["synchronous_commit"].values()) == {"on"}
    pins = Path(__file__).with_name("requirements.in").read_text("utf-8").split()
    assert sorted(f"{name}=={at}" for name, at in found.work["versions"].items()) == pins
    assert [one.aim for one in found.figures if one.reference] == ["ratio >= 5", "ratio >= 10"]
    own = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{own}_"]
        )
        assert cursor.fetchall() == []


def test_without_the_others_one_sentence_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = others.run(cycles=1, jobs=1, workflows=1, rounds=1, ready=tmp_path / "ready")
    assert found.figures == ()
    assert found.work["not run"] == capsys.readouterr().err.strip() == others.MISSING
    assert others.MISSING.endswith("run `make bench ARGS=others`")


@pytest.mark.django_db(transaction=True)
def test_claims_and_sweeps_read_hardly_more_pages_in_a_larger_table() -> None:
    """That they go by their partial index and write by the key, under a generic plan too, the benchmark itself asserts."""
    place.empty()
    sizes = grown(QUICK, asked(["growth", "--rows", "60000"]))["growth"]
    found = growth.run(**sizes)
    # Of what writing reads a good half is by chance: whether there is room for a row beside its old version.
    pages = [figure for figure in found.figures if ": choosing;" in figure.what]
    names = ["2,000 of the future in front", "6,000 cycles", "60,000 cycles"]
    held = Counter(figure.what.rpartition("; ")[2] for figure in pages)
    assert held == dict.fromkeys(names, 2 * 3 * len(growth.INDEXES))
    for figure in pages:
        assert figure.reference == "3,000 cycles"
        assert figure.reference_value is not None
        few = figure.reference_value
        assert figure.value <= max(few * MOST_MORE, few + A_PAGE), figure
    assert found.work["another plan than the smallest has"] == []
    hanging = [(rows["exchangecall"], rows["fill"]) for rows in found.work["on cycles hang"]]
    unknown = batches.DEAD
    assert hanging == [(100 + unknown, 100)] * 2 + [(900 + unknown, 900)] * 2
    read = [one for one in found.figures if "that have as much; 60,000 cycles" in one.what]
    assert len(read) == 6
    chosen = [one for one in found.figures if f"{unknown} of them; 60,000 cycles" in one.what]
    assert len(chosen) == len(batches.CHOOSES)
    read += chosen
    many_more = [one for one in read if one.value > 2 * (one.reference_value or 0) + A_PAGE]
    assert many_more == [], "that no table is read whole, the benchmark itself asserts"


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_step_reads_hardly_more_pages_beside_the_books_of_many_other_cycles() -> None:
    """Also once autovacuum has been by, which it may not while this counts: rows go where it found room then."""
    found = step_growth.run(**QUICK["step_growth"])
    values(found)
    assert len(found.figures) == 4
    done = {"PLACE_ORDER DONE": step_growth.STEPS * step_growth.ROUNDS}
    assert [one["calls"] for one in found.work["done"]] == [done] * 4
    assert {one.what: one.ratio for one in found.figures if (one.ratio or 9) > 1.2} == {}


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_groups_of_each_size_settle_all_their_cycles() -> None:
    cycles, sizes = 10, (1, 4)
    found = grouping.run(cycles=cycles, sizes=sizes)
    assert len(found.figures) == 2 * len(sizes)
    settled = ExchangeCall.objects.filter(is_settled=True, outcome="DONE")
    assert settled.count() == cycles * len(sizes) + grouping.WARM


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_each_new_connection_takes_its_steps_warmed_or_not() -> None:
    connections = 2
    found = connecting.run(connections=connections)
    settled = ExchangeCall.objects.filter(is_settled=True, outcome="DONE")
    assert settled.count() == found.work["steps"] == 2 * connecting.STEPS * connections
    assert all(one.value > 0 for one in found.figures)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_every_cycle_goes_on_after_its_workers_were_killed_and_no_order_is_taken_twice() -> None:
    found = takeover.run(**QUICK["takeover"])
    cycles = QUICK["takeover"]["cycles"]
    assert found.work["claimed anew"] == found.work["resumed"] == cycles
    assert found.work["orders at venues"] >= cycles
    assert found.work["orders accepted twice"] == found.work["cycles that bought twice"] == 0
    assert sum(found.work["done"]["calls"].values()) >= cycles


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_every_cycle_opened_elsewhere_is_intended_whether_books_stream_or_are_read() -> None:
    found = waking.run(**QUICK["waking"] | {"cycles": 1})
    assert found.work["woken"] == found.work["first intents"] == 2
    assert sum(found.work["done"]["calls"].values()) == 2
    assert found.work["idle processes"] >= len(waking.ROLES)


@pytest.mark.django_db(transaction=True)
def test_deleting_old_samples_reads_as_much_in_a_table_four_times_as_large() -> None:
    place.empty()
    found = retention.run(**QUICK["retention"])
    values(found)
    deleted = [one for one in found.figures if one.what.startswith("index of the newest: deleted")]
    assert len(deleted) == 2
    as_it_runs = [one for one in found.figures if one.what.startswith("as it runs: a run")]
    assert len(as_it_runs) == 4, "also beside a fifth that is dead"
    assert all((one.ratio or 9) <= 1.2 for one in deleted + as_it_runs), found.figures
    left = {tuple(sizes) for sizes in found.work["left"].values()}
    assert len(left) == 1, "each shape was given and lost the same samples"
    assert [one.partition(" of 5 series")[0] for one in left.pop()] == ["2900", "11600"]


@pytest.mark.django_db(transaction=True)
def test_a_bulk_redrive_takes_what_the_filter_chooses_most_money_first_with_an_audit_row_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redriving_service, "BATCH", 10)  # of the runs in this process
    place.empty()
    waits: list[tuple[str, int]] = []

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if is_set := re.search(r"kimp_redrive_v1.*'synchronous_commit', '(\w+)'", sql, re.DOTALL):
            waits.append((is_set[1], Cycle.objects.count()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        found = redriving.run(**QUICK["redriving"])
    dead = QUICK["redriving"]["dead"]
    assert found.work["redriven"] == found.work["audited"] == found.work["runs"] * dead == 3 * dead
    as_the_product_does, durably = [("off", waits[0][1])] * 5, [("on", waits[0][1])] * 5
    assert waits == [*as_the_product_does, *durably, *durably, *as_the_product_does], (
        "in turn, each beside as many cycles"
    )
    assert found.work["left dead"] == dead // 4
    assert found.work["redriven of others"] == found.work["out of order"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_tick_writes_a_sample_for_each_asset_in_one_commit() -> None:
    found = feeding.run(**QUICK["feeding"])
    assert found.work["samples"] == 5 * QUICK["feeding"]["ticks"]
    assert values(found)["a tick's explicit COMMITs"] == 1
    assert values(found)["a tick's queries"] <= MOST_QUERIES_A_TICK


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_shared_budget_costs_one_statement_an_order_and_fewer_a_read() -> None:
    found = budgets.run(**QUICK["budgets"])
    counted = values(found)
    assert counted[f"{budgets.FIRST}: statements"] == 1
    assert counted[f"{budgets.DATA}: statements"] <= MOST_STATEMENTS_A_READ
    assert found.work["taken"] == found.work["asked"]


def test_every_benchmark_is_run_here_at_a_tiny_size() -> None:
    text = "".join(one.read_text("utf-8") for one in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in SIZES if f" {name}.run(" not in text] == []
    assert SIZES.keys() == QUICK.keys()


def test_tables_are_as_large_as_was_asked_for() -> None:
    sizes = grown(SIZES, asked(["retention", "--small-rows", "250000", "--rows", "2500000"]))
    assert sizes["retention"]["sizes"] == (250_000, 2_500_000)
    assert SIZES["retention"]["sizes"] == (30_000, 300_000)


def test_cycles_are_also_measured_at_a_tenth_of_what_they_grow_to_where_that_is_more_than_before() -> (
    None
):
    def sizes(*words: str) -> tuple[int, ...]:
        found: tuple[int, ...] = grown(SIZES, asked(["growth", *words]))["growth"]["sizes"]
        return found

    assert sizes("--rows", "10000000") == (10_000, 1_000_000, 10_000_000)
    assert sizes("--small-rows", "1000000", "--rows", "10000000") == (1_000_000, 10_000_000)
    assert sizes("--small-rows", "1000", "--rows", "500000") == (1_000, 500_000)
    assert sizes("--small-rows", "1000", "--rows", "1000000") == (1_000, 100_000, 1_000_000)
    assert sizes("--rows", "500000") == (10_000, 500_000)  # 50,000 of the future are there before
    assert sizes() == SIZES["growth"]["sizes"] == (10_000, 300_000)
