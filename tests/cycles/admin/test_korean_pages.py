"""A Korean page has no English sentence of ours in it; other doors and records have no Korean one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import translation

from cycles.admin.wording import refusal, worded
from cycles.domain.words import CallOutcome, Channel, CycleStatus, Mode, PauseScope, Verb, word
from cycles.errors import CycleError
from cycles.models import Cycle, Desk
from cycles.services import desk, opening, tokens
from cycles.services.intervening import Actor, demand_dead_letter, demand_reason
from exchanges.models import VenueClock
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
WHY = "사유"
ENGLISH = re.compile(r"(?:\b[A-Za-z][a-z']+[,;:]? ){2,}[a-z']+\b")
HANGUL = re.compile("[가-힣]")
RECORDED = {"below the minimum"}  # why a cycle failed, as it was written down then
SILENT = {"script", "style", "code", "pre", "option", "textarea"}


class Texts(HTMLParser):
    """Collects what a page shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._inside.append(tag)
        self.found += [v for n, v in attrs if v and n in {"title", "placeholder", "aria-label"}]

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside and data.strip():
            self.found.append(" ".join(data.split()))


def english_in(page: str) -> list[str]:
    """Give the English sentences that a page shows."""
    texts = Texts()
    texts.feed(page)
    return [text for text in texts.found if ENGLISH.search(text) and text not in RECORDED]


def korean(client: Client, address: str, given: dict[str, Any] | None = None) -> tuple[int, str]:
    headers = {"Accept-Language": "ko"}
    if given is None:
        reply = client.get(address, headers=headers)
    else:
        reply = client.post(address, given, headers=headers)
    return reply.status_code, reply.content.decode()


def on(row: Cycle, verb: str) -> str:
    return reverse(f"admin:cycles_cycle_{verb}", args=[row.pk])


Case = Callable[[Client], tuple[str, dict[str, Any] | None]]


def once(**given: Any) -> dict[str, Any]:
    return {"once": str(uuid4()), "reason": WHY} | given


def _wrong_status(_client: Client) -> tuple[str, dict[str, Any]]:
    row = builders.cycle()
    return on(row, "redrive"), {"reason": WHY, "seen_version": row.version}


def _stale(_client: Client) -> tuple[str, dict[str, Any]]:
    row = builders.dead_letter()
    return on(row, "redrive"), {"reason": WHY, "seen_version": row.version + 5}


def _unknown_outcome(_client: Client) -> tuple[str, dict[str, Any]]:
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.UNKNOWN)
    return on(row, "unwind"), {"reason": WHY, "seen_version": row.version}


def _given_up_unproven(_client: Client) -> tuple[str, dict[str, Any]]:
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.UNKNOWN)
    given = {"reason": WHY, "seen_version": row.version, "confirmation": row.code}
    return on(row, "write_off"), given


def _resolved(received: str, outcome: str = "COMPLETED") -> Case:
    def case(_client: Client) -> tuple[str, dict[str, Any]]:
        row = builders.dead_letter()
        facts = {"evidence": "4711", "confirmation": row.code, "received": received}
        given = {"reason": WHY, "seen_version": row.version, "outcome": outcome}
        return on(row, "resolve"), given | facts

    return case


def _opening(mode: Mode = Mode.RUN, **facts: Any) -> Case:
    def case(_client: Client) -> tuple[str, dict[str, Any]]:
        Desk.objects.update(mode=mode)
        given = {"kind": "ROUND_TRIP", "asset": "XRP", "notional": "5000"} | facts
        return reverse("admin:desk_open"), once(**given)

    return case


def _paused(scope: str, key: str, times: int = 1) -> Case:
    def case(client: Client) -> tuple[str, dict[str, Any]]:
        given = {"scope": scope, "key": key}
        for _ in range(times - 1):
            korean(client, reverse("admin:desk_pause"), once(**given))
        return reverse("admin:desk_pause"), once(**given)

    return case


def _sent_twice(client: Client) -> tuple[str, dict[str, Any]]:
    given = once(scope="ASSET", key="XRP")
    korean(client, reverse("admin:desk_pause"), given)
    return reverse("admin:desk_pause"), given | {"reason": "다른 사유"}


def _resumed_stale(_client: Client) -> tuple[str, dict[str, Any]]:
    Desk.objects.update(mode=Mode.HALT)
    given = {"mode": "RUN", "reason": WHY, "seen_version": 99}
    return reverse("admin:desk_mode", args=["RUN"]), given


def _resumed_away(_client: Client) -> tuple[str, dict[str, Any]]:
    Desk.objects.update(mode=Mode.HALT, home="elsewhere")
    given = {"mode": "RUN", "reason": WHY, "seen_version": Desk.objects.get().version}
    return reverse("admin:desk_mode", args=["RUN"]), given


def _policy(**facts: str) -> Case:
    def case(client: Client) -> tuple[str, dict[str, Any]]:
        form = client.get(reverse("admin:desk_policy")).context["form"]
        given = {name: form[name].value() for name in form.fields}
        shown = {n: ", ".join(v) if isinstance(v, list) else v for n, v in given.items()}
        return reverse("admin:desk_policy"), shown | {"reason": WHY} | facts

    return case


def _address(**facts: str) -> Case:
    def case(_client: Client) -> tuple[str, dict[str, Any]]:
        row = builders.proposed_address(address="rTestAddressOfOurs", memo="1")
        given = {"reason": WHY, "seen_version": row.version, "memo": "1"} | facts
        return reverse("admin:address_verb", args=[row.code, "confirm"]), given

    return case


def _proven_again(_client: Client) -> tuple[str, dict[str, Any]]:
    row = builders.proven("upbit", "ABC", "XRP")
    coin = {"asset": row.asset, "network": row.network, "contract": "", "decimals": 6}
    given = coin | {"reason": WHY, "seen_version": row.version}
    return reverse("admin:identity_verb", args=[row.pk, "prove"]), given


def _no_token(_client: Client) -> tuple[str, dict[str, Any]]:
    return reverse("admin:token_revoke", args=["abcdef12"]), {}


def _all_redriven(_client: Client) -> tuple[str, dict[str, Any]]:
    row = builders.dead_letter()
    at = desk.database_now().isoformat()
    given = {"reason": WHY, "seen_count": 0, "seen_at": at}
    return reverse("admin:dead_letters_redrive", args=[row.failure_class]), given


def _too_many_redriven(client: Client) -> tuple[str, dict[str, Any]]:
    address, given = _all_redriven(client)
    return address, given | {"seen_count": 20_001}


REFUSED: dict[str, tuple[Case, int, str]] = {
    "wrong status": (_wrong_status, 409, "데드레터가 아니라 ‘시작’입니다. 할 수 없는 동작: 재구동"),
    "stale version": (_stale, 409, "다시 결정하세요"),
    "unknown outcome": (_unknown_outcome, 409, "결과를 모르는 요청이 있음"),
    "no evidence": (_given_up_unproven, 409, "그 요청이 끝났다는 증거를 쓰세요"),
    "nothing received": (_resolved("binance USDT 0"), 400, "0보다 커야 합니다"),
    "unknown venue": (_resolved("mtgox USDT 1"), 400, "그런 거래소가 없습니다"),
    "unknown coin": (_resolved("binance DOGGO 1"), 400, "데스크가 모르는 자산입니다"),
    "named twice": (_resolved("binance USDT 1\nbinance USDT 2"), 400, "두 번 나옵니다"),
    "nothing open": (_resolved("", "CALL_ABSENT"), 409, "결과를 모르는 요청이 없습니다"),
    "no quote": (_opening(), 409, "XRP: 최신 시세가 없습니다"),
    "halted": (_opening(Mode.HALT), 409, "데스크 모드가 ‘정지’입니다"),
    "halted, home": (_opening(Mode.HALT, kind="RETURN_ONLY"), 409, "데스크가 정지되어 있습니다"),
    "no funds": (_opening(kind="RETURN_ONLY"), 409, "5000 KRW만큼을 보유하고 있지 않습니다"),
    "nothing asked": (_opening(notional="0"), 409, "명목 금액은 0보다 커야 합니다"),
    "no such venue": (
        _paused("VENUE", "mtgox"),
        400,
        "거래소 &#x27;mtgox&#x27;: 이 데스크에 없습니다",
    ),
    "no such asset": (
        _paused("ASSET", "DOGGO"),
        400,
        "자산 &#x27;DOGGO&#x27;: 이 데스크에 없습니다",
    ),
    "no route": (_paused("ROUTE", "XRP"), 400, "경로가 아닙니다"),
    "round route": (_paused("ROUTE", "XRP:upbit>upbit"), 400, "다른 거래소로 이어져야 합니다"),
    "paused already": (_paused("ASSET", "XRP", 2), 409, "자산 XRP: 이미 일시 중지되어 있습니다"),
    "sent twice": (_sent_twice, 409, "다른 값으로 이미 처리되었습니다"),
    "stale desk": (_resumed_stale, 409, "그동안 데스크 상태가 바뀌었습니다"),
    "away": (_resumed_away, 409, "남은 것을 처리하세요"),
    "percentage": (_policy(percentage="101"), 400, "0보다 크고 100 이하여야 합니다"),
    "stranger": (_policy(allowed_assets="XRP, DOGGO"), 400, "데스크가 모르는 자산입니다: DOGGO"),
    "no number": (_policy(notional_usdt="x"), 400, "숫자를 입력하세요"),
    "no change": (_policy(), 400, "바뀐 것이 없습니다"),
    "other end": (_address(ends_with="NotOurs"), 400, "입력한 것과 다릅니다"),
    "proven": (_proven_again, 409, "이미 입증되었습니다"),
    "no token": (_no_token, 404, "접두사가 abcdef12인 토큰이 없습니다"),
    "more": (_all_redriven, 409, "확인한 것은 0건이지만 지금은 1건입니다"),
    "too many": (_too_many_redriven, 409, "한 번에 20000건을 넘으면"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_inside_a_korean_page_is_korean(login: Login, name: str) -> None:
    case, expected, told = REFUSED[name]
    builders.desk()
    builders.policy()
    client = login("administrator")
    status, page = korean(client, *case(client))
    assert status == expected
    assert told in page
    assert english_in(page) == []


def test_what_speaks_against_an_act_is_korean_in_its_preview(login: Login) -> None:
    builders.desk()
    builders.policy()
    client = login("administrator")
    given = once(kind="ROUND_TRIP", asset="XRP", notional="5000", preview="1")
    _, opening_page = korean(client, reverse("admin:desk_open"), given)
    assert "XRP: 최신 시세가 없습니다" in opening_page
    _, cycle_page = korean(client, on(builders.cycle(), "redrive"))
    assert "데드레터가 아닙니다" in cycle_page
    row = builders.proven("upbit", "ABC", "XRP")
    _, name_page = korean(client, reverse("admin:identity_verb", args=[row.pk, "prove"]))
    assert "이미 입증되었습니다" in name_page
    assert english_in(opening_page + cycle_page + name_page) == []


def test_a_lack_of_rights_is_told_in_korean(login: Login) -> None:
    builders.desk()
    status, page = korean(login("viewer"), reverse("admin:desk_mode", args=["HALT"]))
    assert status == 403
    assert "권한이 없습니다" in page
    assert english_in(page) == []


def _pages() -> Iterator[str]:
    """Give the address of every page that shows something."""
    for model in admin.site._registry:
        named = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{named}_changelist")
        row = model._default_manager.first()
        if row is not None:
            yield from (reverse(f"{named}_{one}", args=[row.pk]) for one in ("change", "history"))
    for name in ("index", "dead_letters", "desk_policy", "desk_open", "desk_pause", "token_issue"):
        yield reverse(f"admin:{name}")
    yield from (reverse("admin:desk_mode", args=[mode]) for mode in Mode.values)
    for name in ("redrive", "unwind", "acknowledge", "resolve", "write_off"):
        yield from (on(row, name) for row in Cycle.objects.all())


def test_no_page_has_an_english_sentence_in_korean(login: Login) -> None:
    builders.desk()
    builders.policy()
    client = login("administrator")
    builders.dead_letter()
    builders.order_call(builders.cycle(), CallOutcome.UNKNOWN)
    builders.finished()
    builders.sample()
    builders.proposed_address()
    builders.proven("upbit", "ABC", "XRP")
    VenueClock.objects.create(
        venue="upbit", host="seoul", ahead_ms=-120, doubt_ms=510, measured_at=Now()
    )
    found = {address: english_in(korean(client, address)[1]) for address in _pages()}
    assert len(found) > 60
    assert {address: texts for address, texts in found.items() if texts} == {}


def _refusals() -> Iterator[CycleError]:
    """Give what services refuse to somebody whose page is Korean."""
    acts: list[Callable[[], object]] = [
        lambda: demand_reason(Verb.WRITE_OFF, Actor(user=None, channel=Channel.ADMIN), WHY),
        lambda: desk.pause(PauseScope.ASSET, "DOGGO", actor=SYSTEM, reason=WHY),
        lambda: demand_dead_letter(builders.cycle(), Verb.WRITE_OFF),
        lambda: opening.open_by_hand(
            asset="XRP", notional_usdt=Decimal(5), actor=SYSTEM, reason=WHY
        ),
    ]
    for act in acts:
        with translation.override("ko"), pytest.raises(CycleError) as caught:
            act()
        yield caught.value


SYSTEM = Actor(user=None, channel=Channel.SYSTEM)


def test_an_error_itself_is_english_whatever_the_language_of_the_page(db: None) -> None:
    builders.desk()
    builders.policy()
    for error in _refusals():
        with translation.override("ko"):
            assert not HANGUL.search(str(error))
            assert HANGUL.search(refusal(error))
        with translation.override("en"):
            assert refusal(error) == str(error)


def test_the_api_refuses_in_english_whatever_the_client_reads(db: None) -> None:
    builders.desk()
    row = builders.cycle()
    _, plain = tokens.issue(builders.person("bob", "administrator"), "t", list(tokens.Scope), None)
    headers = {
        "Authorization": f"Bearer {plain}",
        "Accept-Language": "ko",
        "Idempotency-Key": str(uuid4()),
        "If-Match": f'"{row.version}"',
    }
    told = []
    for body in ({"reason": "because"}, {}):
        address = f"/api/v1/cycles/{row.code}/write-off/"
        reply = Client().post(address, body, content_type="application/json", headers=headers)
        assert reply.status_code in {400, 409}
        told.append(reply.json()["detail"])
    assert not HANGUL.search("".join(told))
    assert told[0] == f"{row.code} is started, not a dead letter: write off does not apply"


@pytest.mark.parametrize("words", [Verb, CycleStatus, PauseScope])
def test_a_word_in_a_sentence_is_its_label(words: type[Verb | CycleStatus | PauseScope]) -> None:
    with translation.override("en"):
        assert [word(one) for one in words] == [one.label for one in words]
    with translation.override("ko"):
        assert [worded(word(one)) for one in words] == [one.label for one in words]


def test_who_paused_is_titled_in_korean(login: Login) -> None:
    builders.desk()
    client = login("administrator")
    korean(client, reverse("admin:desk_pause"), once(scope="VENUE", key="upbit"))
    _, page = korean(client, reverse("admin:cycles_pause_changelist"))
    assert "Created by" not in page
    assert "alice" in page


def test_why_nothing_may_be_stated_of_a_request_yet_is_told_in_korean(login: Login) -> None:
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.UNKNOWN, noted_at=Now())
    _, page = korean(login("administrator"), on(row, "resolve"))
    assert "지금은 밝힐 수 없습니다: binance이(가) 아직" in page
    assert english_in(page) == []
