"""The recorded payloads, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parents[1] / "payloads"


def recorded(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def upbit_private(name: str, **changes: Any) -> bytes:
    body = recorded("upbit_private_handmade")["responses"][name]["body"]
    if isinstance(body, list):
        return json.dumps([{**row, **changes} for row in body]).encode()
    return json.dumps({**body, **changes}).encode()


def upbit_error(name: str) -> tuple[int, bytes]:
    row = recorded("upbit_private_handmade")["errors"][name]
    return row["status"], json.dumps(row["body"]).encode()


def upbit_public(name: str) -> bytes:
    return json.dumps(recorded("upbit_public_rest")["rest"][name]["httpResponse"]).encode()


def binance(group: str, name: str, **changes: Any) -> bytes:
    body = recorded("binance_official_sdk")["data"][group][name]["response"]
    if isinstance(body, list):
        return json.dumps([{**row, **changes} for row in body]).encode()
    return json.dumps({**body, **changes}).encode()
