"""Threads that read a shape for the first time at one moment: msgspec alone dies of it, our decoders do not."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from tests.kimp.processes import PROJECT

# The inner shape is still being worked out, for a while, when the second thread reads the outer.
PROGRAM = """
from __future__ import annotations
import threading, time
import msgspec
from exchanges.transport.reading import decode

begun = threading.Event()

def slowly():
    begun.set()
    time.sleep(0.2)
    return int

class Inner(msgspec.Struct):
    number: slowly()

class Outer(msgspec.Struct):
    inner: Inner
    word: str

def read():
    return READ(b'{"word": "a", "inner": {"number": 1}}', Outer)

first = threading.Thread(target=read)
first.start()
begun.wait()
print(read().inner.number)
first.join()
"""
BY_ITSELF = "lambda body, shape: msgspec.json.decode(body, type=shape)"
IN_FUNCTIONS = re.compile(r"^ +.*msgspec\.json\.(Decoder\(|decode\([^)]*\btype=)", re.MULTILINE)


@pytest.mark.parametrize(("read", "code"), [("decode", 0), (BY_ITSELF, -signal.SIGSEGV)])
def test_a_shape_that_another_thread_is_working_out_is_waited_for(read: str, code: int) -> None:
    program = PROGRAM.replace("READ(", f"({read})(")
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (code, "1\n" if code == 0 else ""), ended.stderr


def test_nobody_makes_a_decoder_in_a_function_but_the_one_that_waits() -> None:
    rooms = [PROJECT / "cycles", PROJECT / "exchanges", PROJECT / "kimp"]
    makers = {
        str(file.relative_to(PROJECT))
        for room in rooms
        for file in room.rglob("*.py")
        if IN_FUNCTIONS.search(file.read_text("utf-8"))
    }
    assert makers == {"exchanges/transport/reading.py"}
