"""A venue's code is a definite refusal only where it is documented as one."""

from __future__ import annotations

import json

import pytest

from exchanges.adapters.binance import refusals as binance
from exchanges.adapters.binance.dialect import BinanceDialect
from exchanges.adapters.bithumb import refusals as bithumb
from exchanges.adapters.bithumb.dialect import BithumbDialect
from exchanges.adapters.upbit import refusals as upbit
from exchanges.adapters.upbit.dialect import UpbitDialect
from exchanges.errors import (
    OutcomeUnknownError,
    RefusalReason as Reason,
    RefusedError,
    ThrottledError,
)
from exchanges.registry import utc_now
from exchanges.transport.calls import Dialect
from exchanges.transport.verdicts import failure
from exchanges.transport.wire import Keys, Reply, Request
from tests.exchanges.payloads import bithumb_error, handmade_error, recorded, upbit_error

KEYS = Keys(access="a", secret="s")
DIALECTS: dict[str, Dialect] = {
    "upbit": UpbitDialect(KEYS),
    "bithumb": BithumbDialect(KEYS, utc_now),
}
MONEY = Request(operation="place_order", method="POST", path="/x", moves_money=True)
READ = Request(operation="order", method="GET", path="/x")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("insufficient", Reason.FUNDS),
        ("min", Reason.RULES),
        ("tick", Reason.RULES),
        ("nonce", Reason.KEY),
        ("jwt", Reason.KEY),
        ("hash", Reason.KEY),
        ("ip", Reason.KEY),
        ("scope", Reason.KEY),
        ("notfound", Reason.OTHER),
        ("dup_identifier_UNVERIFIED_NAME", Reason.DUPLICATE),
        ("addr", Reason.ADDRESS),
    ],
)
def test_recorded_upbit_errors_are_refusals(case: str, reason: Reason) -> None:
    status, body = upbit_error(case)
    reply = Reply(status=status, headers={}, body=body)
    error = failure("upbit", MONEY, reply, UpbitDialect(KEYS).verdict(reply))
    assert isinstance(error, RefusedError)
    assert error.reason is reason


def test_every_recorded_upbit_error_is_classified() -> None:
    assert len(recorded("upbit_private_handmade")["errors"]) == 13


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("insufficient", Reason.FUNDS),
        ("min", Reason.RULES),
        ("tick", Reason.RULES),
        ("price_limit", Reason.RULES),
        ("cross", Reason.RULES),
        ("parameter", Reason.RULES),
        ("address", Reason.RULES),
        ("hash", Reason.KEY),
        ("jwt", Reason.KEY),
        ("expired", Reason.CLOCK),
        ("ip", Reason.KEY),
        ("scope", Reason.KEY),
        ("blocked", Reason.KEY),
        ("bank", Reason.KEY),
        ("two_factor", Reason.KEY),
        ("withdraw_funds", Reason.FUNDS),
        ("consent", Reason.TRAVEL_RULE),
        ("notfound", Reason.OTHER),
        ("duplicate_UNVERIFIED_NAME", Reason.DUPLICATE),
    ],
)
def test_documented_bithumb_errors_are_refusals(case: str, reason: Reason) -> None:
    status, body = bithumb_error(case)
    reply = Reply(status=status, headers={}, body=body)
    error = failure("bithumb", MONEY, reply, DIALECTS["bithumb"].verdict(reply))
    assert isinstance(error, RefusedError)
    assert error.reason is reason


@pytest.mark.parametrize("request_", [MONEY, READ], ids=["money", "read"])
@pytest.mark.parametrize("case", ["not_ready", "server"])
def test_an_order_that_is_not_ready_is_not_refused(case: str, request_: Request) -> None:
    """It says that the order was taken: neither absent nor refused."""
    status, body = bithumb_error(case)
    reply = Reply(status=status, headers={}, body=body)
    error = failure("bithumb", request_, reply, DIALECTS["bithumb"].verdict(reply))
    assert isinstance(error, OutcomeUnknownError)


def test_every_documented_bithumb_error_is_classified() -> None:
    assert len(recorded("bithumb_private_handmade")["errors"]) == 19 + 2 + 1


@pytest.mark.parametrize("venue", DIALECTS)
def test_the_limiter_of_a_korean_venue_is_not_a_refusal(venue: str) -> None:
    status, body = handmade_error(venue, "limit")
    reply = Reply(status=status, headers={}, body=body)
    error = failure(venue, MONEY, reply, DIALECTS[venue].verdict(reply))
    assert isinstance(error, ThrottledError)


def test_an_integer_error_name_is_read_and_refuses_a_read_only() -> None:
    status, body = upbit_error("quotation_404")
    reply = Reply(status=status, headers={}, body=body)
    verdict = UpbitDialect(KEYS).verdict(reply)
    assert isinstance(failure("upbit", READ, reply, verdict), RefusedError)
    assert isinstance(failure("upbit", MONEY, reply, verdict), OutcomeUnknownError)


@pytest.mark.parametrize("venue", DIALECTS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_an_unknown_name_leaves_a_money_move_unknown(status: int, venue: str) -> None:
    reply = Reply(status=status, headers={}, body=b'{"error":{"name":"brand_new"}}')
    error = failure(venue, MONEY, reply, DIALECTS[venue].verdict(reply))
    assert isinstance(error, OutcomeUnknownError)


@pytest.mark.parametrize("venue", DIALECTS)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_even_a_known_name_means_nothing_with_a_server_error(status: int, venue: str) -> None:
    reply = Reply(status=status, headers={}, body=b'{"error":{"name":"insufficient_funds_bid"}}')
    error = failure(venue, MONEY, reply, DIALECTS[venue].verdict(reply))
    assert isinstance(error, OutcomeUnknownError)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("withdraw_address_not_registerd", Reason.ADDRESS),
        ("withdraw_wallet_not_working", Reason.WALLET_CLOSED),
        ("withdraw_insufficient_balance", Reason.FUNDS),
        ("withdraw_under_minimum", Reason.RULES),
        ("withdraw_daily_limit", Reason.LIMIT),
        ("open_api_withdraw_locked", Reason.KEY),
        ("withdraw_safety_blocked", Reason.KEY),
        ("thirdparty_agreement_required", Reason.TRAVEL_RULE),
        ("market_offline", Reason.MARKET_CLOSED),
        ("no_authorization_i_p", Reason.KEY),
        ("identifier_already_used", Reason.DUPLICATE),
        ("UNDER_MIN_TOTAL_BID", Reason.RULES),
    ],
)
def test_upbit_names_and_their_kin_have_reasons(name: str, reason: Reason) -> None:
    assert upbit.reason_of(name, status=400) is reason


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("invalid_price_ask", 400, Reason.RULES),
        ("over_price_limit_ask", 400, Reason.RULES),
        ("insufficient_funds_ask", 400, Reason.FUNDS),
        ("client_order_id_already_exists", 409, Reason.DUPLICATE),
        ("withdraw_address_not_registered", 400, Reason.ADDRESS),
        ("withdraw_wallet_not_working", 400, Reason.WALLET_CLOSED),
        ("client_order_id_unheard_of", 403, None),
        ("withdraw_something_new", 400, None),
    ],
)
def test_bithumb_names_and_their_kin_have_reasons(
    name: str, status: int, reason: Reason | None
) -> None:
    assert bithumb.reason_of(name, status) is reason


def binance_error(code: int, message: str, status: int = 400) -> Reply:
    body = json.dumps({"code": code, "msg": message}).encode()
    return Reply(status=status, headers={}, body=body)


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (-2010, "Account has insufficient balance for requested action.", Reason.FUNDS),
        (-2010, "Duplicate order sent.", Reason.DUPLICATE),
        (-2010, "Market is closed.", Reason.MARKET_CLOSED),
        (-2010, "Order would immediately match and take.", Reason.RULES),
        (-2010, "Something else.", Reason.OTHER),
        (-1013, "Filter failure: LOT_SIZE", Reason.RULES),
        (-1013, "Market is closed.", Reason.MARKET_CLOSED),
        (-1021, "Timestamp for this request is outside of the recvWindow.", Reason.CLOCK),
        (-1022, "Signature for this request is not valid.", Reason.KEY),
        (-1111, "Precision is over the maximum defined for this asset.", Reason.RULES),
        (-1121, "Invalid symbol.", Reason.RULES),
        (-1135, "", Reason.RULES),
        (-2011, "Unknown order sent.", Reason.OTHER),
        (-2013, "Order does not exist.", Reason.OTHER),
        (-2015, "Invalid API-key, IP, or permissions for action.", Reason.KEY),
        (-4019, "", Reason.WALLET_CLOSED),
        (-4026, "", Reason.FUNDS),
        (-4035, "", Reason.ADDRESS),
    ],
)
def test_documented_binance_codes_are_refusals(code: int, message: str, reason: Reason) -> None:
    reply = binance_error(code, message)
    error = failure("binance", MONEY, reply, BinanceDialect(KEYS, utc_now).verdict(reply))
    assert isinstance(error, RefusedError)
    assert (error.reason, error.code) == (reason, str(code))


@pytest.mark.parametrize("code", [*sorted(int(code) for code in binance.UNKNOWN), -9999, -1136])
def test_codes_that_say_nothing_definite_leave_a_money_move_unknown(code: int) -> None:
    reply = binance_error(code, "try again")
    error = failure("binance", MONEY, reply, BinanceDialect(KEYS, utc_now).verdict(reply))
    assert isinstance(error, OutcomeUnknownError)


@pytest.mark.parametrize("code", [-1003, -1015])
def test_binances_limiter_is_not_a_refusal(code: int) -> None:
    reply = binance_error(code, "Too many")
    error = failure("binance", MONEY, reply, BinanceDialect(KEYS, utc_now).verdict(reply))
    assert isinstance(error, ThrottledError)


def test_a_firewalls_page_leaves_everything_unknown() -> None:
    reply = Reply(status=403, headers={}, body=b"<html>403</html>")
    verdict = BinanceDialect(KEYS, utc_now).verdict(reply)
    for request in (MONEY, READ):
        assert isinstance(failure("binance", request, reply, verdict), OutcomeUnknownError)


def test_a_code_keeps_only_harmless_characters() -> None:
    reply = Reply(status=400, headers={}, body=b'{"error":{"name":"bad\\n<b>name"}}')
    error = failure("upbit", READ, reply, UpbitDialect(KEYS).verdict(reply))
    assert "HTTP 400, badbname" in str(error)
