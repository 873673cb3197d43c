"""Where the data of a home lies: a copy has data of its own, and nobody loses his to another."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimp import postgres, postgres_place
from kimp.postgres_binaries import PostgresError, found
from tests.kimp.servers import has_it, remove, with_a_table

pytestmark = pytest.mark.processes


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_data_stays_its_users_when_a_package_brings_the_user_postgres(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_place, "ACCOUNTS", ("nobody",))
    before = postgres_place.chosen(reachable_path)
    monkeypatch.setattr(postgres_place, "ACCOUNTS", ("daemon", "nobody"))
    before.data.mkdir()
    postgres_place.own(before, before.data)

    assert postgres_place.chosen(reachable_path) == before
    (reachable_path / "new").mkdir()
    new = postgres_place.chosen(reachable_path / "new").account
    assert new is not None
    assert new.pw_name == "daemon", "where there is no data yet, the first that there is"


@pytest.fixture(params=["open", "closed"])
def place(request: pytest.FixtureRequest, reachable_path: Path) -> Iterator[Path]:
    """Give a folder for homes, the second of which the user of root's server cannot reach: data lies outside then."""
    folder = reachable_path / "place"
    folder.mkdir(mode=0o755 if request.param == "open" else 0o700)
    yield folder
    for home in folder.iterdir():
        remove(home)


def test_a_copied_home_gets_a_server_of_its_own_and_ends_that_alone(place: Path) -> None:
    first, copy = place / "first", place / "copy"
    with_a_table(first)
    postgres.release(first)
    shutil.copytree(first, copy)
    info = postgres.ensure_running(first)

    other = postgres.ensure_running(copy)

    assert other.port != info.port
    assert postgres.status(copy).data != postgres.status(first).data
    assert postgres.release(copy)
    assert not postgres.status(copy).is_running
    assert postgres.status(first).is_running
    assert has_it(info)


def test_a_moved_home_keeps_its_data(place: Path) -> None:
    with_a_table(place / "first")
    postgres.release(place / "first")
    shutil.copytree(place / "first", place / "moved")  # to another disk: its inode is another
    shutil.rmtree(place / "first")

    assert has_it(postgres.ensure_running(place / "moved"))


def test_a_home_in_the_place_of_one_that_was_moved_away_begins_anew(place: Path) -> None:
    with_a_table(place / "first")
    postgres.release(place / "first")
    (place / "first").rename(place / "moved")

    assert not has_it(postgres.ensure_running(place / "first"))
    assert has_it(postgres.ensure_running(place / "moved"))


def test_a_home_whose_folder_outside_is_gone_says_what_to_do(tmp_path: Path) -> None:
    base = tmp_path / "postgres"
    base.mkdir()
    (base / "location").write_text(str(tmp_path / "gone"))

    with pytest.raises(PostgresError, match="Put it back, or, to begin anew without it, remove"):
        postgres.ensure_running(tmp_path)


@pytest.fixture
def closed(reachable_path: Path) -> Iterator[Path]:
    """Give a folder whose homes have their data outside, in root's run."""
    folder = reachable_path / "closed"
    folder.mkdir(mode=0o700)
    yield folder
    for home in folder.iterdir():
        remove(home)


@pytest.fixture
def home(reachable_path: Path) -> Iterator[Path]:
    """Give a home that has its data inside, also in root's run."""
    yield reachable_path / "home"
    (reachable_path / "home").chmod(0o755)
    remove(reachable_path / "home")


def _replace_by_a_copy(home: Path) -> None:
    """Put a copy in the place of a home: its path stays and its inode is another."""
    home.rename(home.with_name("before"))
    shutil.copytree(home.with_name("before"), home)
    shutil.rmtree(home.with_name("before"))


def test_a_home_that_was_restored_and_is_named_by_another_path_keeps_its_data(
    closed: Path, reachable_path: Path
) -> None:
    (reachable_path / "link").symlink_to(closed)
    with_a_table(reachable_path / "link" / "first")
    postgres.release(reachable_path / "link" / "first")
    _replace_by_a_copy(closed / "first")

    assert has_it(postgres.ensure_running(closed / "first"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server has its data outside")
def test_an_original_whose_copy_has_its_data_is_told_and_can_have_it_back(closed: Path) -> None:
    first, copy = closed / "first", closed / "copy"
    with_a_table(first)
    postgres.release(first)
    first.rename(copy)
    shutil.copytree(copy, first)  # `mv .kimp .kimp.old; cp -a .kimp.old .kimp`
    assert has_it(postgres.ensure_running(copy))
    postgres.release(copy)
    secret = (first / "postgres" / "connection.json").read_text()

    with pytest.raises(PostgresError, match=f"belongs to {copy} now"):
        postgres.ensure_running(first)

    assert (first / "postgres" / "connection.json").read_text() == secret
    (copy / "postgres" / "location").unlink()
    assert has_it(postgres.ensure_running(first))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server has its data outside")
def test_an_original_that_was_away_while_its_copy_ran_is_told(closed: Path) -> None:
    first, copy = closed / "first", closed / "copy"
    with_a_table(first)
    postgres.release(first)
    shutil.copytree(first, copy)
    first.rename(closed.parent / "unmounted")
    assert has_it(postgres.ensure_running(copy))
    postgres.release(copy)
    (closed.parent / "unmounted").rename(first)
    _replace_by_a_copy(first)

    with pytest.raises(PostgresError, match=f"belongs to {copy} now"):
        postgres.ensure_running(first)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_root_makes_no_new_data_beside_those_of_a_user_and_says_what_to_do(home: Path) -> None:
    base = home / "postgres"
    data = base / "server" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text(found().major)
    (base / "connection.json").write_text(
        '{"host": "127.0.0.1", "port": 1, "user": "kimp", "password": "secret", "database": "kimp"}'
    )
    for path in (base, *base.rglob("*")):
        os.chown(path, 1, 1)

    with pytest.raises(PostgresError, match=f"Run as {pwd.getpwuid(1).pw_name}"):
        postgres.ensure_running(home)

    assert "secret" in (base / "connection.json").read_text()
    assert not (base / "location").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_data_that_the_servers_user_reaches_no_more_are_no_reason_to_begin_anew(home: Path) -> None:
    with_a_table(home)
    postgres.release(home)
    home.chmod(0o700)

    with pytest.raises(PostgresError, match="does not reach"):
        postgres.ensure_running(home)

    home.chmod(0o755)
    assert has_it(postgres.ensure_running(home))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_data_that_root_has_copied_is_handed_over_also_if_that_was_broken_off(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_table(home)
    postgres.release(home)
    server = home / "postgres" / "server"
    for path in (server / "data").rglob("*"):
        os.chown(path, 0, 0)
    os.chown(server / "data", 0, 0)
    real, left = os.chown, [None] * 3

    def chown(path: Path, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        real(path, uid, gid, follow_symlinks=follow_symlinks)

    with monkeypatch.context() as patch:
        patch.setattr(os, "chown", chown)
        with pytest.raises(KeyboardInterrupt):
            postgres.ensure_running(home)
    assert not left

    assert has_it(postgres.ensure_running(home))
