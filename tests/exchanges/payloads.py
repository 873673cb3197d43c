"""The recorded payloads, by name."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parents[1] / "payloads"


def recorded(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def changed(body: Any, changes: dict[str, Any]) -> bytes:
    """Give the body with fields replaced, in each row of a list."""
    if isinstance(body, list):
        return json.dumps([{**row, **changes} for row in body]).encode()
    return json.dumps({**body, **changes}).encode()


def handmade(venue: str, name: str, **changes: Any) -> bytes:
    return changed(recorded(f"{venue}_private_handmade")["responses"][name]["body"], changes)


def handmade_error(venue: str, name: str) -> tuple[int, bytes]:
    row = recorded(f"{venue}_private_handmade")["errors"][name]
    return row["status"], json.dumps(row["body"]).encode()


upbit_private, bithumb_private = partial(handmade, "upbit"), partial(handmade, "bithumb")
upbit_error, bithumb_error = partial(handmade_error, "upbit"), partial(handmade_error, "bithumb")


def upbit_public(name: str) -> bytes:
    return json.dumps(recorded("upbit_public_rest")["rest"][name]["httpResponse"]).encode()


def binance(group: str, name: str, **changes: Any) -> bytes:
    return changed(recorded("binance_official_sdk")["data"][group][name]["response"], changes)
