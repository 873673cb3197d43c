"""The file that remembers the supervisor's children, so that a next start can end leftovers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kimp.process_table import Process, boot_id, end_session, session_of


@dataclass(slots=True)
class ChildFile:
    """Name and identity of every child that runs, kept on disk."""

    path: Path
    children: dict[str, Process] = field(default_factory=dict)

    def add(self, name: str, process: Process) -> None:
        """Remember a child that has started."""
        self.children[name] = process
        self._save()

    def forget(self, name: str) -> None:
        """Forget a child that has ended."""
        if self.children.pop(name, None) is not None:
            self._save()

    def end_leftovers(self, *, patience_seconds: float) -> list[str]:
        """End what a killed supervisor has left running; return the names of those found."""
        found = {name: leader for name, leader in self._load().items() if session_of(leader)}
        for leader in found.values():
            end_session(leader, patience_seconds=patience_seconds)
        self.children = {}
        self._save()
        return list(found)

    def _load(self) -> dict[str, Process]:
        try:
            saved = json.loads(self.path.read_text("utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        if saved["boot_id"] != boot_id():
            return {}
        return {name: Process(**row) for name, row in saved["children"].items()}

    def _save(self) -> None:
        rows = {name: asdict(process) for name, process in self.children.items()}
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps({"boot_id": boot_id(), "children": rows}), "utf-8")
        draft.replace(self.path)
