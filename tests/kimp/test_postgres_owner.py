"""The note and the lock in a folder outside: the account of the server, which owns it, leads root nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from kimp.postgres_binaries import PostgresError
from kimp.postgres_owner import owner_of, take


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a home, beside a folder of data and something that is nobody's business."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "precious").write_text("as it was")
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.mark.parametrize("name", ["owner.new", "owner"])
def test_a_note_is_not_written_through_a_link(home: Path, name: str) -> None:
    folder, precious = home.with_name("outside"), home.with_name("precious")
    (folder / name).symlink_to(precious)

    assert take(home, folder)

    assert owner_of(folder) == home
    assert precious.read_text() == "as it was"


def test_a_lock_is_not_made_through_a_link(home: Path) -> None:
    folder, elsewhere = home.with_name("outside"), home.with_name("elsewhere")
    (folder / "owner.lock").symlink_to(elsewhere)

    with pytest.raises(PostgresError, match=r"owner\.lock is a link.* remove it"):
        take(home, folder)

    assert not elsewhere.exists()
