"""`make clean`: all of it goes, or nothing while somebody works there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kimp.clean import InUseError, clean
from kimp.locks import FileLock
from kimp.postgres_owner import take


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project whose desk has data, and no server that runs."""
    (tmp_path / ".kimp" / "postgres" / "server").mkdir(parents=True)
    (tmp_path / ".kimp" / "postgres" / "server" / "PG_VERSION").write_text("18")
    (tmp_path / "staticfiles").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ("desk.lock", "This desk is up in another terminal: end it first"),
        ("postgres/users", "uses the database"),
    ],
)
def test_what_is_in_use_stays_whole_and_one_sentence_says_so(
    project: Path, held: str, why: str
) -> None:
    lock = FileLock(project / ".kimp" / held)
    lock.shared(patience_seconds=1)
    before = sorted(project.rglob("*"))
    with pytest.raises(InUseError, match=why):
        clean(project)
    lock.close()
    assert sorted(project.rglob("*")) == before


def test_what_nobody_uses_goes(project: Path) -> None:
    FileLock(project / ".kimp" / "desk.lock").close()
    assert {path.name for path in clean(project)} == {".kimp", "staticfiles"}
    assert not list(project.iterdir())


def test_a_copy_leaves_alone_what_lies_outside_and_is_the_originals(project: Path) -> None:
    base, outside = project / ".kimp" / "postgres", project / "outside" / "data"
    outside.mkdir(parents=True)
    (base / "location").write_text(str(outside.parent))
    (base / "lock").touch()
    assert take(base, outside.parent)
    copy = project / "copy"
    shutil.copytree(project / ".kimp", copy / ".kimp")

    clean(copy)

    assert outside.exists()
    assert not (copy / ".kimp").exists()
    clean(project)
    assert not outside.parent.exists()
