"""Binance's errors: `{"code", "msg"}`."""

from __future__ import annotations

from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.values import json_reply

_TEXTS = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too much request weight used; please use WebSocket Streams for live updates.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1013: "Filter failure: {0}",
    -1020: "This operation is not supported.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1100: "Illegal characters found in parameter '{0}'.",
    -1102: "Mandatory parameter '{0}' was not sent, was empty/null, or malformed.",
    -1104: "Not all sent parameters were read; read '{0}' parameter(s) but was sent '{1}'.",
    -1105: "Parameter '{0}' was empty.",
    -1106: "Parameter '{0}' sent when not required.",
    -1111: "Parameter '{0}' has too much precision.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1131: "recvWindow must be less than 60000",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -4019: "Current currency is not open for withdrawal.",
    -4021: "The withdrawal amount must be multiples of {0}.",
    -4022: "The minimum withdrawal amount is {0}.",
    -4023: "Within 24 hours, the withdrawal exceeds the maximum amount.",
    -4034: "Illegal tag.",
    -4026: "User has insufficient balance.",
    -4028: "The withdrawal amount must be greater than the fee.",
    -4033: "Illegal address.",
    -4035: "This address is not on the list of withdrawal addresses.",
    -4047: "The interval between startTime and endTime must be within 90 days.",
    -4060: "Deposit not yet fully confirmed; the funds are locked.",
}
INSUFFICIENT = "Account has insufficient balance for requested action."
DUPLICATE = "Duplicate order sent."
WOULD_MATCH = "Order would immediately match and take."
MARKET_CLOSED = "Market is closed."
AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."


def text_of(code: int) -> str:
    """Return the text that goes with a code, as far as it needs nothing filled in."""
    return _TEXTS.get(code, "Unknown error.")


def refuse(code: int, *details: object, text: str | None = None, status: int = 400) -> RefusalError:
    """Return the refusal with that code."""
    message = text if text is not None else _TEXTS[code].format(*details)
    if code in {-2014, -2015}:
        status = 401
    return RefusalError(json_reply({"code": code, "msg": message}, status))
