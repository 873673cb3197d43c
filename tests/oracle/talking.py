"""Talks to a client that runs in .venv-oracle: one JSON command a line, one JSON answer a line."""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path
from typing import IO, Any

PROJECT = Path(__file__).resolve().parents[2]
PYTHON = PROJECT / ".venv-oracle" / "bin" / "python"
READY = PROJECT / ".venv-oracle" / ".kimp-ready"
CLIENTS = Path(__file__).parent / "clients"
ANSWER_SECONDS = 60


class MissingOracleError(RuntimeError):
    """The virtual environment of the clients is not there."""


class ClientError(Exception):
    """What the client raised; `name` is its class."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class Client:
    """One running client; leaving the `with` block ends it."""

    def __init__(self, script: str) -> None:
        demand_oracle(READY)
        self.process = subprocess.Popen(
            [PYTHON, CLIENTS / script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def ask(self, **command: Any) -> Any:
        """Send a command and return its value; raise ClientError with what the client raised."""
        requests, answers = self._pipes()
        requests.write(json.dumps(command) + "\n")
        requests.flush()
        if not select.select([answers], [], [], ANSWER_SECONDS)[0]:
            raise TimeoutError(f"the client did not answer {command}")
        line = answers.readline()
        if not line:
            raise RuntimeError(f"the client ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ClientError(answer["error"], answer["text"])
        return answer["value"]

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return self.process.stdin, self.process.stdout

    def close(self) -> None:
        """Let the client end, and wait for it."""
        for pipe in self._pipes():
            pipe.close()
        self.process.wait(10)


def demand_oracle(ready: Path) -> None:
    """Raise MissingOracleError unless the clients are installed."""
    if not ready.exists():
        raise MissingOracleError("ccxt and the SDKs are not installed: run `make oracle`")
