"""The strict environment layer: every problem at once, never a value printed.

Later layers win: `.env`, `.env.<environment>`, `.env.<role>`, `.env.<role>.<environment>`, the
process environment. A secret may stand in a file that NAME_FILE names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from kimp import environment_files as files
from kimp.environment_parse import ParseError, Value, parse
from kimp.environment_table import BY_NAME, ENVIRONMENTS, KOREA, ROLES, TABLE, Need, Setting

DEFAULT = "default"
_URL_PASSWORD = re.compile(r"://[^/:@]*:([^/]+)@")
# A command that belongs to one role runs in it, whatever KIMP_ROLE says.
COMMAND_ROLES = {
    "feeder": "feeder",
    "initiator": "initiator",
    "finalizer": "finalizer",
    "qcluster": "worker",
    "verify_ledger": "worker",  # these ask venues, as the worker's jobs do
    "reconcile": "worker",
    "catch_up": "worker",
    "seed_desk": "worker",
    "sync_markets": "worker",
    "venue_ping": "worker",
    "migrate": "web",
    "makemigrations": "web",
}


class SettingsError(ImproperlyConfigured):
    """The environment has problems; the message lists all of them and no value."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"kimp cannot start with these settings:\n{lines}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """One setting as this process sees it; `origin` says where it came from."""

    setting: Setting
    value: Value
    origin: str

    def __repr__(self) -> str:  # error pages and tracebacks show it
        return f"{self.setting.name}={self.shown!r} ({self.origin})"

    @property
    def shown(self) -> str:
        """The value for eyes: a secret only says that it is set."""
        if self.value is None or self.value == "":
            return ""
        if self.setting.is_secret:
            return "********"
        return ",".join(self.value) if isinstance(self.value, tuple) else str(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """All settings of one process, by name."""

    environment: str
    role: str
    rows: Mapping[str, Effective]

    def __getitem__(self, name: str) -> Value:
        return self.rows[name].value

    def secrets(self) -> Iterator[str]:
        """Give every secret that is set; of a URL also its password, as it stands there and as it is sent."""
        for name, row in self.rows.items():
            if row.setting.is_secret and (text := self.text(name)):
                yield text
                yield from _password_in(text)

    def text(self, name: str) -> str:
        """Return a setting that is text; empty if it is not set."""
        value = self[name]
        return "" if value is None else str(value)

    def flag(self, name: str) -> bool:
        """Return a setting that is a flag."""
        return self[name] is True

    def count(self, name: str, default: int) -> int:
        """Return a setting that is a whole number."""
        value = self[name]
        return value if isinstance(value, int) else default

    def names(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Return a setting that is a list."""
        value = self[name]
        return list(value) if isinstance(value, tuple) else list(default)


def _password_in(url: str) -> Iterator[str]:
    """Give the password of a URL, but one like its user, host or scheme: that would blank out ordinary words."""
    found = _URL_PASSWORD.search(url)
    if found and found[1] not in url[: found.start(1)] + url[found.end(1) :]:
        yield from {found[1], unquote(found[1])}


def role_of_command(arguments: Sequence[str]) -> str | None:
    """Return the role that a command line belongs to, if its command belongs to one."""
    return COMMAND_ROLES.get(arguments[1]) if len(arguments) > 1 else None


def name_in_logs(arguments: Sequence[str], role: str) -> str:
    """Return whose lines a process writes: the venues' own, or its role's."""
    is_simulator = list(arguments[1:2]) == ["simulator"]
    return "simulator" if is_simulator else role


def load(folder: Path, process: Mapping[str, str]) -> Environment:
    """Read, parse and check everything; raises SettingsError with every problem found."""
    environment, role = chosen(folder, process)
    layers = files.layers(folder, environment, role, process)
    problems = [problem for layer in layers for problem in layer.problems + _strangers(layer)]
    rows = {setting.name: _effective(setting, layers, problems) for setting in TABLE}
    loaded = Environment(environment=environment, role=role, rows=rows)
    problems += _missing(loaded) + _contradictions(loaded)
    if problems:
        raise SettingsError(problems)
    return loaded


def chosen(folder: Path, process: Mapping[str, str]) -> tuple[str, str]:
    """Give the environment and the role, which choose the files."""
    base = files.read_file(folder / ".env").texts | dict(process)
    return _chosen("KIMP_ENVIRONMENT", base, ENVIRONMENTS), _chosen("KIMP_ROLE", base, ROLES)


def _chosen(name: str, base: Mapping[str, str], choices: Sequence[str]) -> str:
    """Read what chooses the files; a bad one is reported with the rest, by `_effective`."""
    value = base.get(name, "").strip()
    return value if value in choices else str(BY_NAME[name].default)


def _strangers(layer: files.Layer) -> list[str]:
    """Find KIMP_ names nobody reads: a typing error in a safety flag must not pass in silence."""
    known = BY_NAME.keys() | {f"{row.name}_FILE" for row in TABLE if row.is_secret}
    names = sorted(name for name in layer.texts if name.startswith("KIMP_"))
    return [
        f"{name}: no such setting ({layer.origin})"
        for name in names
        if name not in known and not name.startswith("KIMP_TEST_")
    ]


def _effective(setting: Setting, layers: Sequence[files.Layer], problems: list[str]) -> Effective:
    text, origin = setting.default, DEFAULT
    for layer in layers:
        try:
            found = _text_in(layer, setting)
        except ParseError as error:
            problems.append(f"{error} ({layer.origin})")
            continue
        if found is not None:
            text, origin = found, layer.origin
    try:
        value = parse(setting, text)
    except ParseError as error:
        problems.append(f"{error} ({origin})")
        value = None
    return Effective(setting=setting, value=value, origin=origin)


def _text_in(layer: files.Layer, setting: Setting) -> str | None:
    text = layer.texts.get(setting.name)
    named = layer.texts.get(f"{setting.name}_FILE") if setting.is_secret else None
    if named is None:
        return text
    if text is not None:
        raise ParseError(f"{setting.name}: set both directly and by {setting.name}_FILE")
    try:
        return Path(named).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ParseError(f"{setting.name}_FILE: names a file that cannot be read") from error


def _missing(loaded: Environment) -> list[str]:
    is_live, is_production = loaded.flag("KIMP_LIVE"), loaded.environment == "production"
    active = {Need.PRODUCTION: is_production, Need.LIVE: is_live, Need.NEVER: False}
    elsewhere = set(KOREA) - set(loaded.names("KIMP_KOREA_VENUES"))
    return [
        f"{row.name}: is needed {row.need.value} by the {loaded.role} role"
        for row in TABLE
        if active[row.need]
        and row.korea_venue not in elsewhere
        and loaded.role in row.needed_by
        and loaded[row.name] in (None, "", ())
    ]


def _contradictions(loaded: Environment) -> list[str]:
    problems = []
    for name, used in (("KIMP_ENVIRONMENT", loaded.environment), ("KIMP_ROLE", loaded.role)):
        if loaded[name] not in (None, used):
            problems.append(
                f"{name}: chooses the files, so only .env or the environment may set it"
            )
    if loaded.environment == "production" and loaded.flag("DEBUG"):
        problems.append("DEBUG: is refused in production")
    elif loaded.flag("KIMP_LIVE") and loaded.flag("DEBUG"):
        problems.append(
            "DEBUG: is refused together with KIMP_LIVE: its pages show a live desk's inside"
        )
    if loaded.environment == "test" and loaded.flag("KIMP_LIVE"):
        problems.append("KIMP_LIVE: is refused in test")
    if loaded.environment == "production" and 0 < len(loaded.text("SECRET_KEY")) < 50:
        problems.append("SECRET_KEY: needs at least 50 characters in production")
    return problems
