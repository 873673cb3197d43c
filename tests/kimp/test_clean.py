"""`make clean`: all of it goes, or nothing while somebody works there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from kimp import postgres
from kimp.clean import InUseError, LiveDeskError, clean
from kimp.leftovers import ChildFile
from kimp.locks import FileLock
from kimp.postgres_binaries import found
from kimp.postgres_owner import take
from kimp.process_table import look_up


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


@pytest.mark.parametrize("is_empty", [True, False], ids=["where it is mounted", "gone"])
def test_books_whose_folder_outside_is_missing_are_not_taken_for_none(
    project: Path, is_empty: bool
) -> None:
    base, outside = project / ".kimp" / "postgres", project / "outside"
    outside.mkdir()
    (base / "location").write_text(str(outside))
    (base / "lock").touch()
    assert take(base, outside)
    outside.rename(project / "unmounted")
    if is_empty:
        outside.mkdir()

    with pytest.raises(LiveDeskError, match=r"outside is gone.*\. Put it back"):
        clean(project)

    assert base.exists()
    with pytest.raises(postgres.PostgresError, match="Put it back"):
        postgres.ensure_running(base.parent)


def test_books_on_which_a_server_works_for_a_home_that_is_gone_are_not_taken_for_none(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, outside = project / ".kimp" / "postgres", project / "outside"
    (outside / "data").mkdir(parents=True)
    (project / "gone").mkdir()
    assert take(project / "gone", outside)
    (project / "gone").rmdir()
    (base / "location").write_text(str(outside))
    (base / "lock").touch()
    (outside / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    monkeypatch.chdir(
        outside / "data"
    )  # as the process of a server works in the folder of its data

    with pytest.raises(LiveDeskError, match="A server still works on"):
        clean(project)

    assert base.exists()


@contextmanager
def _left_over(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a process of the project's desk whose supervisor was killed."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        try:
            identity = look_up(process.pid)
            assert identity is not None
            ChildFile(project / ".kimp" / "children.json").add("feeder", identity)
            yield process
        finally:
            process.kill()


@pytest.fixture
def left_over(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    with _left_over(project) as process:
        yield process


@pytest.mark.parametrize("name", [".env", ".env.production", ".env.worker", ".env.web.production"])
@pytest.mark.parametrize("text", ["1", "surely"])
def test_where_a_live_desk_is_set_nobody_is_ended_and_nothing_goes(
    project: Path, left_over: subprocess.Popen[bytes], name: str, text: str
) -> None:
    (project / name).write_text(f"KIMP_LIVE={text}\n")
    before = sorted(project.rglob("*"))

    with pytest.raises(LiveDeskError, match=rf"KIMP_LIVE is set \({re.escape(name)}\)"):
        clean(project)

    assert sorted(project.rglob("*")) == before
    assert left_over.poll() is None


def test_a_live_desk_that_the_environment_names_is_not_cleaned_away(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIMP_LIVE", "1")
    with pytest.raises(LiveDeskError, match=r"KIMP_LIVE is set \(environment\)"):
        clean(project)
    assert (project / "staticfiles").exists()


def test_who_would_start_a_server_meanwhile_waits_until_all_is_gone(
    project: Path, left_over: subprocess.Popen[bytes]
) -> None:
    lock = FileLock(project / ".kimp" / "postgres" / "lock")
    could = list[bool]()
    clean(project, lambda _: could.append(lock.try_exclusive()))
    assert could == [False]
    assert lock.try_exclusive()
    lock.close()


@pytest.fixture
def stopped(reachable_path: Path) -> Iterator[Path]:
    """Give a project whose server has a database and is down."""
    home = reachable_path / ".kimp"
    yield reachable_path
    postgres.stop(home)


def _make_a_desk(project: Path, kind: str) -> None:
    """Make what a desk's database says of its kind, in a database of another name too: a restored one has it."""
    home = project / ".kimp"
    info = postgres.ensure_running(home)
    with psycopg.connect(info.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE cycles_desk (kind text)")
        connection.execute("INSERT INTO cycles_desk VALUES (%s)", [kind])
    with psycopg.connect(info.url_of("postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE kimp RENAME TO kimp_before")
    assert postgres.release(home)


@pytest.mark.processes
def test_a_live_desks_books_stay_although_its_server_is_down(stopped: Path) -> None:
    _make_a_desk(stopped, "LIVE")
    with _left_over(stopped) as child:
        with pytest.raises(LiveDeskError, match=r"LIVE desk are in .*: they stay, nothing was rem"):
            clean(stopped)
        assert child.poll() is None
    assert (stopped / ".kimp" / "postgres" / "connection.json").exists()
    assert not postgres.status(stopped / ".kimp").is_running


@pytest.mark.processes
def test_a_simulated_desks_books_go(stopped: Path) -> None:
    _make_a_desk(stopped, "SIMULATED")
    clean(stopped)
    assert not list(stopped.iterdir())


@pytest.mark.processes
def test_what_cannot_be_asked_for_its_kind_stays_and_is_named(stopped: Path) -> None:
    _make_a_desk(stopped, "SIMULATED")
    (stopped / ".kimp" / "postgres" / "connection.json").unlink()
    with pytest.raises(LiveDeskError, match=r"cannot be asked: .*connection\.json is gone"):
        clean(stopped)
    assert (stopped / ".kimp").exists()


@pytest.mark.processes
@pytest.mark.parametrize("name", [".env", ".env.production"])
def test_the_programs_that_the_env_files_name_are_asked(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("KIMP_ENVIRONMENT", "production")
    _make_a_desk(stopped, "SIMULATED")
    monkeypatch.delenv("KIMP_PG_BIN", raising=False)
    (stopped / name).write_text("KIMP_PG_BIN=/nowhere\n")
    with pytest.raises(LiveDeskError, match="KIMP_PG_BIN names no folder"):
        clean(stopped)
    (stopped / name).write_text(f"KIMP_PG_BIN={found().folder}\n")
    clean(stopped)
    assert not (stopped / ".kimp").exists()
