"""The clients' end of the pipe: one JSON command a line in, one JSON answer a line out.

Runs inside .venv-oracle, so it imports nothing of the product's. Numbers go out as text.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

Answer = Callable[[dict[str, Any]], Any]


def serve(answer: Answer) -> None:
    """Answer commands until the input ends; an exception is an answer too."""
    out, sys.stdout = sys.stdout, sys.stderr  # what a client prints must not break the pipe
    for line in sys.stdin:
        print(json.dumps(told(answer, json.loads(line)), default=plain), file=out, flush=True)


def told(answer: Answer, command: dict[str, Any]) -> dict[str, Any]:
    """Carry a command out."""
    try:
        return {"value": answer(command)}
    except Exception as error:  # noqa: BLE001  the test judges it
        traceback.print_exc()
        return {"error": type(error).__name__, "text": str(error)}


def plain(value: Any) -> Any:
    """Turn what JSON has no word for into what it has."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    for name in ("model_dump", "to_dict"):  # pydantic's models, old and new
        if hasattr(value, name):
            return getattr(value, name)()
    return str(value)
