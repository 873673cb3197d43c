"""The environment layer: strict, layered, complete in its complaints, silent about values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from kimp import environment
from kimp.environment import SettingsError, load
from kimp.environment_table import TABLE, Kind, Setting

_SECRET = "s3cret-that-must-stay-unseen-" * 3
_PRODUCTION = {
    "KIMP_ENVIRONMENT": "production",
    "SECRET_KEY": _SECRET,
    "ALLOWED_HOSTS": "desk.example",
    "DATABASE_URL": "postgresql://kimp:pw@db:5432/kimp",
}
_KEYS = {
    "KIMP_UPBIT_ACCESS_KEY": "a", "KIMP_UPBIT_SECRET_KEY": "b",
    "KIMP_BINANCE_API_KEY": "c", "KIMP_BINANCE_SECRET_KEY": "d",
}  # fmt: skip
_PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(_PROJECT.glob("*/management/commands/*.py"))
GIVES_KEYS = {  # the calls by which a command comes to ask venues in the desk's name
    "registry.adapter", "registry.clock_state", "registry.venue",
    "refreshing.refresh_markets", "seeding.configure", "seeding.seed",
}  # fmt: skip


def _called(file: Path) -> Iterator[str]:
    calls = (one.func for one in ast.walk(ast.parse(file.read_text())) if isinstance(one, ast.Call))
    yield from (ast.unparse(one) for one in calls)


def test_defaults_are_a_simulated_desk_in_development(tmp_path: Path) -> None:
    loaded = load(tmp_path, {})
    assert (loaded.environment, loaded.role) == ("development", "web")
    assert not loaded.flag("KIMP_LIVE")
    assert loaded["KIMP_TIME_SCALE"] == Decimal(1)


def test_later_layers_win(tmp_path: Path) -> None:
    names = (".env", ".env.test", ".env.feeder", ".env.feeder.test")
    for seconds, name in enumerate(names, 1):
        (tmp_path / name).write_text(f"KIMP_LEASE_SECONDS={seconds}\n")
        loaded = load(tmp_path, {"KIMP_ENVIRONMENT": "test", "KIMP_ROLE": "feeder"})
        assert (loaded["KIMP_LEASE_SECONDS"], loaded.rows["KIMP_LEASE_SECONDS"].origin) == (
            seconds,
            name,
        )
    process = {"KIMP_ENVIRONMENT": "test", "KIMP_ROLE": "feeder", "KIMP_LEASE_SECONDS": "9"}
    assert load(tmp_path, process).rows["KIMP_LEASE_SECONDS"].origin == "environment"


def test_a_file_of_another_role_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env.finalizer").write_text("KIMP_LEASE_SECONDS=7\n")
    assert load(tmp_path, {"KIMP_ROLE": "feeder"})["KIMP_LEASE_SECONDS"] == 30


def test_the_first_file_may_choose_environment_and_role(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("export KIMP_ROLE=worker # the queue\n")
    assert load(tmp_path, {}).role == "worker"


@pytest.mark.parametrize("text", ["maybe", "", "2", "ture", "None"])
def test_an_unparsable_flag_is_an_error_not_false(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="KIMP_LIVE"):
        load(tmp_path, {"KIMP_LIVE": text})


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    process = {"KIMP_LIVE": "maybe", "KIMP_LEASE_SECONDS": "soon", "KIMP_PORT": "70000"}
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, process | {"DATABASE_URL": "mysql://x/y", "KIMP_LOG_LEVEL": "LOUD"})
    text = str(raised.value)
    for name in (*process, "DATABASE_URL", "KIMP_LOG_LEVEL"):
        assert name in text
    assert len(raised.value.problems) == 5


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))
@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.text(st.characters(categories=["L", "N"]), min_size=12).map(lambda x: f"§{x}§"))
def test_no_problem_prints_a_value(tmp_path: Path, row: Setting, junk: str) -> None:
    if row.kind in (Kind.TEXT, Kind.NAMES, Kind.PATH) and not row.choices:
        assert load(tmp_path, {row.name: junk}).rows[row.name].origin == "environment"
        return
    with pytest.raises(SettingsError, match=row.name) as raised:
        load(tmp_path, {row.name: junk})
    assert junk not in str(raised.value)


def test_a_bad_role_does_not_hide_other_problems(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, {"KIMP_ROLE": "feedr", "DEBUG": "2"})
    assert len(raised.value.problems) == 2


def test_a_later_file_may_not_change_the_role(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KIMP_ROLE=feeder\n")
    (tmp_path / ".env.feeder").write_text("KIMP_ROLE=web\n")
    with pytest.raises(SettingsError, match="KIMP_ROLE: chooses the files"):
        load(tmp_path, {})


def test_a_misspelt_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="KIMP_LVIE: no such setting"):
        load(tmp_path, {"KIMP_LVIE": "0"})


def test_a_line_that_sets_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# a comment\n\nKIMP_LIVE: 1\n")
    with pytest.raises(SettingsError, match=r"\.env line 3"):
        load(tmp_path, {})


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{_SECRET}\n")
    loaded = load(tmp_path, {"KIMP_TELEGRAM_TOKEN_FILE": str(tmp_path / "token")})
    assert loaded["KIMP_TELEGRAM_TOKEN"] == _SECRET
    assert loaded.rows["KIMP_TELEGRAM_TOKEN"].shown == "********"


@pytest.mark.parametrize("also", [{}, {"KIMP_TELEGRAM_TOKEN": "x"}])
def test_a_bad_secret_file_is_an_error(tmp_path: Path, also: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="KIMP_TELEGRAM_TOKEN"):
        load(tmp_path, {"KIMP_TELEGRAM_TOKEN_FILE": str(tmp_path / "none")} | also)


def test_production_starts_with_what_it_needs(tmp_path: Path) -> None:
    assert load(tmp_path, _PRODUCTION).environment == "production"


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL"])
def test_production_refuses_to_start_without(tmp_path: Path, name: str) -> None:
    process = {key: text for key, text in _PRODUCTION.items() if key != name}
    with pytest.raises(SettingsError, match=name):
        load(tmp_path, process)


@pytest.mark.parametrize(
    "servers", ["", ",", "a,", "a:x,b", "a,b:70000", "a,[b", "a,b/", "u:p@a,b:5432:1"]
)
def test_each_of_several_servers_is_a_host_and_perhaps_a_port(tmp_path: Path, servers: str) -> None:
    url = f"postgresql://kimp:pw@{servers}"
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        load(tmp_path, {"DATABASE_URL": url if servers in {"", "a,b/"} else f"{url}/kimp"})


def test_production_refuses_debug(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DEBUG: is refused"):
        load(tmp_path, _PRODUCTION | {"DEBUG": "yes"})


def test_a_live_desk_refuses_debug(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DEBUG: is refused together with KIMP_LIVE"):
        load(tmp_path, {"KIMP_LIVE": "1", "DEBUG": "1"})
    assert load(tmp_path, {"KIMP_LIVE": "0", "DEBUG": "1"}).flag("DEBUG")


@pytest.mark.parametrize("row", [row for row in TABLE if row.is_secret], ids=lambda row: row.name)
def test_no_secret_is_written_where_its_object_is(tmp_path: Path, row: Setting) -> None:
    value = f"postgresql://kimp:{_SECRET}@db/kimp" if row.kind is Kind.DATABASE else _SECRET
    loaded = load(tmp_path, {row.name: value})
    assert loaded[row.name] == value
    assert _SECRET not in f"{loaded!r}{loaded}{loaded.rows[row.name]!r}{loaded.rows}"
    assert f"{row.name}='********' (environment)" in repr(loaded)


def test_the_password_of_a_url_is_a_secret_as_written_and_as_sent(tmp_path: Path) -> None:
    url = "redis://:p%40ss-w0rd@broker/0"
    found = set(load(tmp_path, {"KIMP_QUEUE_REDIS": url}).secrets())
    assert {url, "p%40ss-w0rd", "p@ss-w0rd"} <= found


def test_a_password_that_is_the_users_name_blanks_out_no_word(tmp_path: Path) -> None:
    url = "postgresql://postgres:postgres@db/kimp"
    assert set(load(tmp_path, {"DATABASE_URL": url}).secrets()) == {url}


@pytest.mark.parametrize("role", ["initiator", "finalizer", "worker"])
def test_live_roles_that_trade_need_the_keys_of_both_venues(tmp_path: Path, role: str) -> None:
    process = _PRODUCTION | {"KIMP_LIVE": "1", "KIMP_ROLE": role}
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, process)
    assert len(raised.value.problems) == len(_KEYS)
    assert load(tmp_path, process | _KEYS).flag("KIMP_LIVE")


@pytest.mark.parametrize(
    ("venues", "needed"),
    [
        ("upbit", {"UPBIT", "BINANCE"}),
        ("bithumb", {"BITHUMB", "BINANCE"}),
        ("upbit, bithumb", {"UPBIT", "BITHUMB", "BINANCE"}),
    ],
)
def test_a_live_desk_needs_keys_only_of_venues_that_it_trades_at(
    tmp_path: Path, venues: str, needed: set[str]
) -> None:
    live = {"KIMP_LIVE": "1", "KIMP_ROLE": "worker", "KIMP_KOREA_VENUES": venues}
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, _PRODUCTION | live)
    assert {problem.split("_")[1] for problem in raised.value.problems} == needed
    assert len(raised.value.problems) == 2 * len(needed)


def test_the_venues_of_a_desk_are_a_list_with_upbit_by_default(tmp_path: Path) -> None:
    assert load(tmp_path, {})["KIMP_KOREA_VENUES"] == ("upbit",)
    both = load(tmp_path, {"KIMP_KOREA_VENUES": "bithumb, upbit"})
    assert both["KIMP_KOREA_VENUES"] == ("bithumb", "upbit")


@pytest.mark.parametrize("text", ["", ",", "upbit,upbit", "upbit,kraken", "binance", "Upbit"])
def test_a_venue_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        SettingsError, match="KIMP_KOREA_VENUES: must be one or more of upbit, bith"
    ):
        load(tmp_path, {"KIMP_KOREA_VENUES": text})


@pytest.mark.parametrize("role", ["web", "feeder"])
def test_live_roles_that_only_look_need_no_keys(tmp_path: Path, role: str) -> None:
    assert load(tmp_path, _PRODUCTION | {"KIMP_LIVE": "1", "KIMP_ROLE": role}).role == role


def test_tests_never_go_live(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="KIMP_LIVE: is refused in test"):
        load(tmp_path, {"KIMP_ENVIRONMENT": "test", "KIMP_LIVE": "1"})


@pytest.mark.parametrize(
    ("command", "role"),
    [("feeder", "feeder"), ("finalizer", "finalizer"), ("qcluster", "worker"), ("shell", None)],
)
def test_a_command_chooses_its_role(command: str, role: str | None) -> None:
    assert environment.role_of_command(["manage.py", command]) == role


def test_every_command_that_asks_venues_has_their_keys_as_the_workers_jobs_do() -> None:
    asking = {file.stem for file in COMMANDS if GIVES_KEYS & set(_called(file))}
    assert asking >= {"catch_up", "reconcile", "seed_desk", "sync_markets", "venue_ping"}
    assert {name: environment.COMMAND_ROLES.get(name) for name in sorted(asking)} == dict.fromkeys(
        sorted(asking), "worker"
    )


def test_the_simulator_writes_its_lines_under_its_own_name() -> None:
    assert environment.name_in_logs(["manage.py", "simulator", "--seed=1"], "web") == "simulator"
    assert environment.name_in_logs(["manage.py", "feeder"], "feeder") == "feeder"
