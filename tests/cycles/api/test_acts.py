"""Acts: on the version that was seen, once per key, through the services."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from cycles.domain import postings
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    Channel,
    CycleStatus,
    FailureClass,
    PostingKind,
)
from cycles.models import Cycle, Desk, IdempotencyRecord, Intervention, PolicyVersion
from cycles.services import booking, desk as desk_services, tokens
from cycles.services.tokens import Scope
from tests import builders
from tests.cycles.api.conftest import Speaker, Speaks

pytestmark = pytest.mark.django_db

WHY = {"reason": "the venue is back"}


def act(row: Cycle, verb: str) -> str:
    return f"/api/v1/cycles/{row.code}/{verb}/"


def seen(row: Cycle) -> str:
    return f'"{row.version}"'


def test_a_redrive_moves_the_cycle_and_leaves_an_intervention(speaks: Speaks) -> None:
    row = builders.dead_letter()
    reply = speaks("operator").post(
        act(row, "redrive"), WHY, If_Match=seen(row), X_Request_ID="req-1"
    )
    assert reply.status_code == 200
    body = reply.json()
    assert body["cycle"]["status"] == CycleStatus.RETRY_PENDING
    assert reply.headers["ETag"] == f'"{row.version + 1}"'
    made = Intervention.objects.get()
    assert (made.actor, made.channel, made.reason) == ("alice", Channel.API, WHY["reason"])
    assert (made.seen_version, made.request_id) == (row.version, "req-1")


def test_acknowledging_assigns_the_cycle_to_who_asks(speaks: Speaks) -> None:
    row = builders.dead_letter()
    reply = speaks("operator").post(act(row, "acknowledge"), WHY, If_Match=seen(row))
    assert reply.json()["cycle"]["assignee"] == "alice"


@pytest.mark.parametrize(
    ("has_coins", "answer"), [(True, (200, "UNWIND")), (False, (409, "RESUME"))]
)
def test_an_unwind_is_possible_as_its_preview_says(
    speaks: Speaks, *, has_coins: bool, answer: tuple[int, str]
) -> None:
    row = builders.dead_letter()
    if has_coins:
        bought = postings.moved(
            "binance", "XRP", Decimal(2000), origin=AccountOwner.CAPITAL, target=AccountOwner.CYCLE
        )
        booking.post("bought", PostingKind.FILL, bought, cycle=row)
        builders.sample("XRP", at=timezone.now(), global_bid=Decimal("2.5"))
    olga = speaks("operator")
    promised = olga.get(act(row, "unwind") + "preview/").json()
    reply = olga.post(act(row, "unwind"), WHY, If_Match=seen(row))
    row.refresh_from_db()
    assert promised["is_possible"] is has_coins
    assert (reply.status_code, row.plan) == answer


def test_a_write_off_ends_the_cycle_as_failed(speaks: Speaks) -> None:
    row = builders.dead_letter()
    reply = speaks("approver").post(act(row, "write-off"), WHY, If_Match=seen(row))
    assert reply.json()["cycle"]["status"] == CycleStatus.FAILED


def test_a_resolution_completes_the_cycle(speaks: Speaks) -> None:
    row = builders.dead_letter()
    statement = {
        **WHY,
        "outcome": "COMPLETED",
        "evidence": "ticket 7",
        "received": [{"venue": "binance", "asset": "USDT", "quantity": "4990.5"}],
    }
    reply = speaks("approver").post(act(row, "resolve"), statement, If_Match=seen(row))
    assert reply.json()["cycle"]["status"] == CycleStatus.COMPLETED
    assert Intervention.objects.get().payload["evidence"] == "ticket 7"


def test_an_absent_call_is_resolved_by_evidence(speaks: Speaks) -> None:
    row = builders.dead_letter(failure=FailureClass.UNKNOWN_ORDER)
    call = builders.order_call(row, CallOutcome.UNKNOWN)
    statement = {**WHY, "outcome": "CALL_ABSENT", "evidence": "the venue's support says so"}
    reply = speaks("approver").post(act(row, "resolve"), statement, If_Match=seen(row))
    assert reply.json()["cycle"]["status"] == CycleStatus.DEAD_LETTER
    call.refresh_from_db()
    assert call.outcome == CallOutcome.ABSENT


@pytest.mark.parametrize("verb", ["redrive", "unwind", "resolve", "write-off", "acknowledge"])
def test_a_preview_gives_the_version_to_act_on_and_writes_nothing(
    speaks: Speaks, verb: str
) -> None:
    row = builders.dead_letter()
    reply = speaks("viewer").get(act(row, verb) + "preview/")
    shown = reply.json()
    assert (shown["code"], shown["version"]) == (row.code, row.version)
    assert reply.headers["ETag"] == seen(row)
    assert shown["effects"]
    assert not Intervention.objects.exists()


def test_a_preview_of_no_verb_is_404(speaks: Speaks) -> None:
    row = builders.dead_letter()
    assert speaks().get(act(row, "explode") + "preview/").status_code == 404


def test_without_if_match_an_act_is_428(speaks: Speaks) -> None:
    row = builders.dead_letter()
    reply = speaks().post(act(row, "redrive"), WHY)
    assert (reply.status_code, reply.json()["code"]) == (428, "precondition_required")


@pytest.mark.parametrize("header", ["*", "2", 'W/"2"', '"2", "3"', '"x"'])
def test_a_version_that_is_not_exactly_one_is_400(speaks: Speaks, header: str) -> None:
    row = builders.dead_letter()
    assert speaks().post(act(row, "redrive"), WHY, If_Match=header).status_code == 400


def test_a_stale_version_is_412_and_the_key_may_be_used_again(speaks: Speaks) -> None:
    row = builders.dead_letter()
    alice = speaks()
    stale = alice.post(act(row, "redrive"), WHY, If_Match='"1"', key="k1")
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert alice.post(act(row, "redrive"), WHY, If_Match=seen(row), key="k1").status_code == 200


def test_an_act_that_does_not_fit_the_status_is_409(speaks: Speaks) -> None:
    row = builders.cycle()
    reply = speaks().post(act(row, "redrive"), WHY, If_Match=seen(row))
    assert (reply.status_code, reply.json()["code"]) == (409, "not_allowed_now")


def test_without_a_key_an_act_is_400(speaks: Speaks) -> None:
    row = builders.dead_letter()
    alice = speaks()
    reply = alice.client.post(
        act(row, "redrive"),
        WHY,
        content_type="application/json",
        headers=alice.headers | {"If-Match": seen(row)},
    )
    assert (reply.status_code, "Idempotency-Key" in reply.json()["detail"]) == (400, True)


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 2001}])
def test_an_act_needs_a_reason(speaks: Speaks, body: dict[str, str]) -> None:
    row = builders.dead_letter()
    reply = speaks().post(act(row, "redrive"), body, If_Match=seen(row))
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, "#/reason")


def test_a_misspelt_field_is_refused(speaks: Speaks) -> None:
    row = builders.dead_letter()
    body = {**WHY, "evidnce": "x"}
    reply = speaks().post(act(row, "write-off"), body, If_Match=seen(row))
    assert reply.json()["errors"][0]["pointer"] == "#/evidnce"
    assert Cycle.objects.get().status == CycleStatus.DEAD_LETTER


def test_money_as_a_json_number_is_refused(speaks: Speaks) -> None:
    row = builders.dead_letter()
    part = {"venue": "binance", "asset": "USDT", "quantity": 4990.5}
    statement = {**WHY, "outcome": "COMPLETED", "evidence": "t", "received": [part]}
    reply = speaks().post(act(row, "resolve"), statement, If_Match=seen(row))
    assert reply.json()["errors"][0]["pointer"] == "#/received/0/quantity"


def test_the_same_request_under_its_key_acts_once_and_gets_the_same_answer(
    speaks: Speaks,
) -> None:
    row = builders.dead_letter()
    alice = speaks()
    first, again = (
        alice.post(act(row, "redrive"), WHY, If_Match=seen(row), key="k1") for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.headers["ETag"] == again.headers["ETag"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Intervention.objects.count() == 1


def test_another_body_under_a_key_is_422(speaks: Speaks) -> None:
    row = builders.dead_letter()
    alice = speaks()
    alice.post(act(row, "redrive"), WHY, If_Match=seen(row), key="k1")
    other = {"reason": "another"}
    reply = alice.post(act(row, "redrive"), other, If_Match=seen(row), key="k1")
    assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_reused")


def test_a_request_whose_key_is_in_flight_is_409_with_retry_after(speaks: Speaks) -> None:
    row = builders.dead_letter()
    alice = speaks()
    alice.post(act(row, "redrive"), WHY, If_Match=seen(row), key="k1")
    IdempotencyRecord.objects.update(status=None)
    reply = alice.post(act(row, "redrive"), WHY, If_Match=seen(row), key="k1")
    assert (reply.status_code, reply.json()["code"]) == (409, "request_in_flight")
    assert int(reply.headers["Retry-After"]) >= 1


def test_a_definite_refusal_is_remembered_and_a_passing_one_is_not(speaks: Speaks) -> None:
    alice = speaks()
    nowhere = "/api/v1/cycles/CYC-000000000000/redrive/"
    answers = [alice.post(nowhere, WHY, If_Match='"1"', key="k1") for _ in range(2)]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert answers[1].headers["Content-Type"] == "application/problem+json"
    running = builders.cycle()
    alice.post(act(running, "redrive"), WHY, If_Match=seen(running), key="k2")
    assert [record.key for record in IdempotencyRecord.objects.all()] == ["k1"]


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_key", [True, False])
def test_of_two_requests_at_once_one_acts(*, same_key: bool, transactional_db: None) -> None:
    row = builders.dead_letter()
    root = superuser()
    speakers = [root, Speaker()]
    speakers[1].headers = dict(root.headers)
    barrier = threading.Barrier(2, timeout=10)

    def ask(number: int) -> Any:
        barrier.wait()
        key = "k1" if same_key else f"k{number}"
        try:
            return speakers[number].post(act(row, "redrive"), WHY, If_Match=seen(row), key=key)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(ask, number) for number in range(2)]
        answers = [task.result(timeout=30) for task in tasks]
    statuses = sorted(one.status_code for one in answers)
    assert Intervention.objects.count() == 1
    row.refresh_from_db()
    assert row.status == CycleStatus.RETRY_PENDING
    # Under one key the second waits or gets the first answer; under two keys it is stale.
    assert statuses in ([[200, 200], [200, 409]] if same_key else [[200, 412]])


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("same_key", "acts"), [(True, 1), (False, 2)])
def test_a_request_sent_twice_at_once_acts_once_only_by_its_key(
    *, same_key: bool, acts: int, transactional_db: None
) -> None:
    builders.desk()
    root = superuser()
    barrier = threading.Barrier(2, timeout=10)

    def ask(number: int) -> int:
        speaker = Speaker()
        speaker.headers = dict(root.headers)
        barrier.wait()
        body = {"mode": "HALT", "reason": "strange balances"}
        try:
            key = "k1" if same_key else f"k{number}"
            return int(speaker.post("/api/v1/mode/", body, key=key).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(ask, number) for number in range(2)]
        statuses = sorted(task.result(timeout=30) for task in tasks)
    assert Intervention.objects.count() == acts
    assert statuses in ([[200, 200], [200, 409]] if same_key else [[200, 200]])


def superuser() -> Speaker:
    """Make a speaker for tests that commit: their groups are gone."""
    user = User.objects.create_superuser(f"root-{User.objects.count()}")
    _, plain = tokens.issue(user, "test", list(Scope), None)
    return Speaker(plain)


def test_the_desk_is_halted_and_resumed_by_who_may(speaks: Speaks) -> None:
    builders.desk()
    operator = speaks("operator", name="olga")
    mode = "/api/v1/mode/"
    halted = operator.post(mode, {"mode": "HALT", "reason": "strange balances"})
    assert (halted.status_code, halted.json()["mode"]) == (200, "HALT")
    refused = operator.post(mode, {"mode": "RUN", "reason": "fine again"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    approver = speaks("approver")
    unseen = approver.post(mode, {"mode": "RUN", "reason": "fine again"})
    assert (unseen.status_code, unseen.json()["code"]) == (428, "unseen_version")
    stale = approver.post(mode, {"mode": "RUN", "reason": "fine again"}, If_Match='"1"')
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    seen = approver.get(mode).headers["ETag"]
    resumed = approver.post(mode, {"mode": "RUN", "reason": "fine again"}, If_Match=seen)
    assert resumed.json()["mode"] == "RUN"
    assert Desk.objects.get().mode_changed_by == "alice"


def test_a_new_reason_on_a_halted_desk_makes_what_was_seen_of_it_stale(speaks: Speaks) -> None:
    builders.desk()
    approver, mode = speaks("approver"), "/api/v1/mode/"
    seen = approver.post(mode, {"mode": "HALT", "reason": "maintenance"}).headers["ETag"]
    desk_services.halt_by_system("coins are missing")
    wanted = {"mode": "RUN", "reason": "maintenance is over"}
    assert approver.post(mode, wanted, If_Match=seen).status_code == 412
    now = approver.get(mode)
    assert now.json()["mode_reason"] == "coins are missing; earlier, by alice: maintenance"
    assert approver.post(mode, wanted, If_Match=now.headers["ETag"]).status_code == 200


def test_a_new_policy_version_changes_what_is_named_and_keeps_the_rest(speaks: Speaks) -> None:
    old = builders.policy()
    body = {
        "reason": "smaller",
        "changes": {"notional_usdt": "2500.5", "allowed_assets": ["XRP", "SOL"]},
    }
    reply = speaks().post("/api/v1/policy/", body, If_Match=f'"{old.number}"')
    assert reply.status_code == 200, reply.json()
    assert reply.headers["ETag"] == f'"{old.number + 1}"'
    new = PolicyVersion.objects.order_by("-number")[0]
    assert (str(new.notional_usdt.normalize()), new.allowed_assets) == ("2500.5", ["XRP", "SOL"])
    assert new.max_slippage_bps == old.max_slippage_bps
    assert new.created_by == "alice"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"notional": "1"}, "notional"),
        ({"notional_usdt": "-1"}, "notional_usdt: must not be below zero"),
        ({"notional_usdt": 1}, "notional_usdt"),
        ({"opening_rule": "BY_HAND"}, "opening_rule: BY_HAND opens nothing"),
        ({"percentage": "0"}, "percentage: must be above 0"),
        ({"sizing": "ALL"}, "sizing"),
        ({"allowed_assets": "XRP"}, "allowed_assets"),
        ({"number": 9}, "number"),
    ],
)
def test_a_wrong_policy_is_named_and_not_written(
    speaks: Speaks, changes: dict[str, object], named: str
) -> None:
    old = builders.policy()
    body = {"reason": "test", "changes": changes}
    reply = speaks().post("/api/v1/policy/", body, If_Match=f'"{old.number}"')
    assert reply.status_code == 400
    assert named in reply.json()["detail"]
    assert PolicyVersion.objects.count() == 1


def test_a_stale_policy_number_is_412(speaks: Speaks) -> None:
    old = builders.policy()
    builders.policy()
    body = {"reason": "test", "changes": {"notional_usdt": "1000"}}
    reply = speaks().post("/api/v1/policy/", body, If_Match=f'"{old.number}"')
    assert reply.status_code == 412
