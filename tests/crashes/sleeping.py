"""`python -m tests.crashes.sleeping PLACE COMMAND ...`: run a command of ours that falls asleep at a place, once.

It stops itself as SIGSTOP from outside would, but exactly there; SIGCONT wakes it.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module

import django
from django.core.management import execute_from_command_line

AFTER_INTENT = "calling.intend < trading._send | after the commit"
AFTER_INTENT_TO_SEND_COINS = "calling.intend < transferring._request | after the commit"


def main(place: str, arguments: list[str]) -> None:
    """Watch this process's commits and calls, then run the command."""
    django.setup()
    seams = import_module("tests.crashes.matrix.seams")  # it needs the models
    seams.watch(seams.Seams(tell=lambda _name: None, name=place, sign=signal.SIGSTOP))
    execute_from_command_line(["manage.py", *arguments])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
