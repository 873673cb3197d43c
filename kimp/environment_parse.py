"""Read one text as the kind its setting names; a doubtful text is a problem, never a guess."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from kimp.environment_table import Kind, Setting

Value = str | bool | int | Decimal | Path | tuple[str, ...] | None
_FLAGS = {"1": True, "true": True, "yes": True, "on": True}
_FLAGS |= {"0": False, "false": False, "no": False, "off": False}


class ParseError(Exception):
    """A text is not what its setting wants; the message names the setting, never the text."""


def parse(setting: Setting, text: str | None) -> Value:
    """Return the value of a text, None for a setting that is not set; raises ParseError."""
    if text is None:
        return None
    text = text.strip()
    if setting.choices:
        return _choices(setting, text) if setting.kind is Kind.NAMES else _choice(setting, text)
    if text == "" and setting.kind not in (Kind.FLAG, Kind.COUNT, Kind.DECIMAL):
        return None if setting.default is None else _READERS[setting.kind](setting, text)
    return _READERS[setting.kind](setting, text)


def _choice(setting: Setting, text: str) -> str:
    if text not in setting.choices:
        raise ParseError(f"{setting.name}: must be one of {', '.join(setting.choices)}")
    return text


def _choices(setting: Setting, text: str) -> tuple[str, ...]:
    names = _names(setting, text)
    if not names or len(set(names)) < len(names) or not set(names) <= set(setting.choices):
        known = ", ".join(setting.choices)
        raise ParseError(f"{setting.name}: must be one or more of {known}, each once")
    return names


def _text(_: Setting, text: str) -> str:
    return text


def _flag(setting: Setting, text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ParseError(f"{setting.name}: must be one of {', '.join(_FLAGS)}") from None


def _count(setting: Setting, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise ParseError(f"{setting.name}: must be a whole number, 1 or more")
    return int(text)


def _port(setting: Setting, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise ParseError(f"{setting.name}: must be a port, 1 to 65535")
    return int(text)


def _decimal(setting: Setting, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and value >= 1):
        raise ParseError(f"{setting.name}: must be a number, 1 or more")
    return value


def _url(setting: Setting, text: str) -> str:
    if text and not _is_url(text, ("http", "https")):
        raise ParseError(f"{setting.name}: must be an http(s) URL")
    return text.rstrip("/")


def _database(setting: Setting, text: str) -> str:
    if not _is_database(text):
        raise ParseError(
            f"{setting.name}: must be postgresql://user:password@host:port/database; "
            "several servers are host:port,host:port"
        )
    return text


def each_server(url: str) -> list[SplitResult]:
    """Give a database's URL once for each server that it names."""
    parts = urlsplit(url)
    login, at, servers = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{login}{at}{server}") for server in servers.split(",")]


def _is_database(text: str) -> bool:
    try:
        urls = each_server(text)
    except ValueError:
        return False
    schemes = ("postgres", "postgresql", "pgsql")
    is_named = len(urls) == 1 or all(url.hostname for url in urls)
    has_path = all(url.path.strip("/") for url in urls)
    return is_named and has_path and all(_is_url(url.geturl(), schemes) for url in urls)


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return False
    return parts.scheme in schemes and (bool(parts.hostname) or schemes[0] == "postgres")


def _names(_: Setting, text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _path(_: Setting, text: str) -> Path:
    return Path(text).expanduser()


_READERS: dict[Kind, Callable[[Setting, str], Value]] = {
    Kind.TEXT: _text,
    Kind.FLAG: _flag,
    Kind.COUNT: _count,
    Kind.PORT: _port,
    Kind.DECIMAL: _decimal,
    Kind.URL: _url,
    Kind.DATABASE: _database,
    Kind.NAMES: _names,
    Kind.PATH: _path,
}
