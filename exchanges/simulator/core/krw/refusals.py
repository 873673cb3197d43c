"""Errors as the Korean venues write them: `{"error": {"name", "message"}}`.

The names here are Upbit's; a venue that has a word of its own for one says so at its door.
The name is a string, except on quotations.
"""

from __future__ import annotations

from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.values import json_reply

_MESSAGES = {
    "no_authorization_token": (401, "인증 토큰이 없습니다."),
    "jwt_verification": (401, "JWT 헤더의 페이로드를 검증하지 못했습니다."),
    "invalid_access_key": (401, "잘못된 엑세스 키입니다."),
    "expired_access_key": (401, "만료된 엑세스 키입니다."),
    "no_authorization_ip": (401, "인증된 IP가 아닙니다."),
    "nonce_used": (401, "이미 사용된 nonce입니다."),
    "invalid_query_payload": (401, "JWT 헤더의 페이로드가 올바르지 않습니다."),
    "too_many_requests": (429, "요청 수 제한을 초과했습니다."),
    "out_of_scope": (403, "허용되지 않은 기능입니다."),
    "order_not_found": (404, "주문을 찾지 못했습니다."),
    "withdraw_not_found": (404, "출금 내역을 찾지 못했습니다."),
    "deposit_not_found": (404, "입금 내역을 찾지 못했습니다."),
    "coin_address_not_found": (404, "입금 주소를 찾지 못했습니다."),
    "market_offline": (503, "점검 중인 마켓입니다."),
    "under_min_total_bid": (400, "최소주문금액 이상으로 주문해주세요"),
    "under_min_total_ask": (400, "최소주문금액 이상으로 주문해주세요"),
    "over_max_total_bid": (400, "최대주문금액 이하로 주문해주세요"),
    "over_max_total_ask": (400, "최대주문금액 이하로 주문해주세요"),
    "invalid_price_bid": (400, "주문가격 단위를 잘못 입력하셨습니다."),
    "invalid_price_ask": (400, "주문가격 단위를 잘못 입력하셨습니다."),
    "invalid_volume_bid": (400, "주문수량 단위를 잘못 입력하셨습니다."),
    "invalid_volume_ask": (400, "주문수량 단위를 잘못 입력하셨습니다."),
    "insufficient_funds_bid": (400, "주문가능한 금액(KRW)이 부족합니다."),
    "insufficient_funds_ask": (400, "주문가능한 수량이 부족합니다."),
    "withdraw_insufficient_balance": (400, "출금 가능한 수량이 부족합니다."),
    "withdraw_address_not_registered": (400, "등록된 출금 주소가 아닙니다."),
    "withdraw_wallet_not_working": (400, "출금이 중단된 지갑입니다."),
    "withdraw_decimal_exceeded": (400, "출금 가능한 소수점 자리수를 초과했습니다."),
    "withdraw_under_minimum": (400, "최소 출금 수량 이상이어야 합니다."),
    "withdraw_daily_limit_exceeded": (400, "1일 출금 한도를 초과했습니다."),
    "withdraw_delayed_fiat": (400, "원화 입금액에 상응하는 자산의 출금이 지연 중입니다."),
    "open_api_withdraw_locked": (403, "출금 안심차단이 설정되어 있습니다."),
    "withdraw_not_cancelable": (400, "취소할 수 없는 출금입니다."),
    "travel_rule_not_needed": (400, "트래블룰 검증 대상이 아닙니다."),
    "travel_rule_too_early": (400, "10분 후에 다시 시도해주세요."),
    "order_not_ready": (422, "주문이 아직 준비되지 않았습니다."),
    "server_error": (400, "알 수 없는 오류가 발생했습니다."),
    "currency_does_not_exist": (400, "지원하지 않는 화폐입니다."),
}


class NamedRefusalError(RefusalError):
    """A refusal with its parts, so that a venue can put it in its own words."""

    def __init__(self, name: str, message: str, status: int) -> None:
        """Build the reply."""
        error = {"name": name, "message": message}
        super().__init__(json_reply({"error": error}, status))
        self.name = name
        self.message = message


def refuse(name: str, message: str | None = None, status: int | None = None) -> NamedRefusalError:
    """Return the refusal of that name; 400 validation_error-like unless listed otherwise."""
    known_status, known = _MESSAGES.get(name, (400, "잘못된 요청입니다."))
    return NamedRefusalError(name, message or known, status or known_status)


def missing(parameter: str) -> RefusalError:
    """Return the refusal of a request without a needed parameter."""
    return refuse("validation_error", f"{parameter} is missing")


def invalid(parameter: str) -> RefusalError:
    """Return the refusal of a request with an unusable parameter."""
    return refuse("validation_error", f"{parameter} is invalid")


def not_quoted() -> RefusalError:
    """Return the quotation API's 404, whose name is an integer."""
    return RefusalError(json_reply({"error": {"name": 404, "message": "Code not found"}}, 404))
