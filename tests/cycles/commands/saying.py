"""Run an operator's command, and keep what it printed and how it ended."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from django.core.management import CommandError, call_command

NOT_UTF8 = os.fsdecode(b"\xff\xfe")
WHY = ("--reason", "the venue is back")


class Said:
    """What one run of a command printed and how it ended."""

    def __init__(self, *words: str) -> None:
        out, err = io.StringIO(), io.StringIO()
        self.exit = 0
        try:
            call_command(*words, stdout=out, stderr=err)
        except CommandError as error:
            self.exit = error.returncode
            err.write(str(error))
        self.out, self.err = out.getvalue(), err.getvalue()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def acting(*words: str, as_user: str = "alice", why: str = WHY[1]) -> Said:
    return Said(*words, "--yes", "--as", as_user, "--reason", why)
