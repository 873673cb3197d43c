"""The guide for adding a venue names only what there is, and leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exchanges.port import Venue

_PROJECT = Path(__file__).resolve().parents[2]
_GUIDE = "docs/adding-a-venue.md"
_PATH = re.compile(r"`([\w.<>-]+(?:/[\w.<>-]+)*/?)`")
_EXAMPLE = "bithumb"


def _text(name: str = _GUIDE) -> str:
    return (_PROJECT / name).read_text("utf-8")


def _named(text: str) -> list[str]:
    """List what reads like a path: it has a folder, or a known ending."""
    found = {name for name in _PATH.findall(text) if "/" in name or name.endswith((".md", ".toml"))}
    return sorted(found)


def _is_there(name: str) -> bool:
    return (_PROJECT / name.replace("<venue>", _EXAMPLE)).exists()


@pytest.mark.parametrize("name", _named(_text()))
def test_the_guide_names_what_there_is(name: str) -> None:
    assert _is_there(name)


def test_a_path_that_is_gone_is_found() -> None:
    gone = _named(
        "see `exchanges/adapters/<venue>/client.py` and `exchanges/adapters/<venue>/gone.py`"
    )
    assert [name for name in gone if not _is_there(name)] == ["exchanges/adapters/<venue>/gone.py"]


def test_the_guide_leaves_out_no_module_of_the_example() -> None:
    """What the example's adapter consists of is what a reader has to write."""
    told = _text().replace("<venue>", _EXAMPLE)
    folders = ("exchanges/adapters", "exchanges/simulator/core")
    written = [
        path.relative_to(_PROJECT).as_posix()
        for folder in folders
        for path in (_PROJECT / folder / _EXAMPLE).glob("*.py")
        if path.name != "__init__.py"
    ]
    assert written
    assert [name for name in written if f"`{name}`" not in told] == []


@pytest.mark.parametrize("name", ["GLOBAL_VENUE", "ADAPTERS", "LIVE_ACCOUNTS"])
def test_names_of_the_registry_are_the_registrys(name: str) -> None:
    assert f"`{name}`" in _text()
    assert re.search(rf"^{name}\b", _text("exchanges/registry.py"), re.MULTILINE)


def test_methods_of_the_port_are_the_ports() -> None:
    named = {"key_report", "listings", "deposit_address", "withdrawal_addresses", "verify_deposit"}
    assert all(f"`{name}`" in _text() for name in named)
    assert named <= set(dir(Venue))
