"""What must not be read in a log line: keys, signatures, tokens, addresses, memos."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "[redacted]"
_DEEPEST = 8
_SHORTEST_SECRET = 8  # a shorter one would blank out ordinary words

_WORDS = (
    r"secrets?|tokens?|authorization|signatures?|passwords?|passwd|passphrase|jwt|cookies?"
    r"|credentials?|apikey|secretkey|accesskey|(?:api|access|secret|private)[_\-. ]?keys?"
    r"|address(?:es)?|memos?|(?:destination|address)[_\-. ]?tag|sessionid|csrftoken"
)
_SENSITIVE_KEY = re.compile(rf"(?:^|[_\-. ])(?:{_WORDS})(?:$|[_\-. ])")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BASE58 = "[1-9A-HJ-NP-Za-km-z]"
_MIXED = r"(?=[a-zA-Z0-9]*[A-Z])(?=[a-zA-Z0-9]*[a-z])(?=[a-zA-Z0-9]*[0-9])"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {MASK}"),
    (re.compile(r"/bot\d+(?::|%3A)[\w-]+"), f"/bot{MASK}"),
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*(?=@)"), MASK),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (
        re.compile(
            rf"(?i)((?:\b|_|-)(?:{_WORDS})[\"']?\s*[=:]\s*)"
            rf"(?!(?:bearer|basic) )(?:\"[^\"]*\"|'[^']*'|[^\s&,;\"'}})\]]+)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b0x[0-9a-fA-F]{40}\b"), MASK),
    (re.compile(r"\bbc1[02-9ac-hj-np-z]{11,71}\b"), MASK),
    (re.compile(rf"\b{_MIXED}[13rT]{_BASE58}{{24,34}}\b"), MASK),
    (re.compile(rf"\b{_MIXED}{_BASE58}{{32,44}}\b"), MASK),
)


def is_sensitive(key: object) -> bool:
    """Say whether what stands under this key may never be shown."""
    return _SENSITIVE_KEY.search(_CAMEL.sub("_", str(key)).lower()) is not None


class Redactor:
    """Masks by key, by pattern, and by the very values of this process's secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        self._known = sorted(known, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without what must not be read."""
        for secret in self._known:
            text = text.replace(secret, MASK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: object, depth: int = 0) -> Any:
        """Return a copy that JSON can carry, cleaned at every level; strangers become text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth < _DEEPEST and isinstance(value, Mapping):
            return self.mapping(value, depth + 1)
        if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self.value(one, depth + 1) for one in value]
        return self.text(_shown(value))

    def mapping(self, facts: Mapping[Any, object], depth: int = 0) -> dict[str, Any]:
        """Return a copy of key and value pairs, cleaned."""
        return {
            self.text(str(key)): MASK if is_sensitive(key) and value else self.value(value, depth)
            for key, value in facts.items()
        }


def _shown(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    is_plain = type(value).__str__ is not object.__str__ and not hasattr(
        value, "__dataclass_fields__"
    )
    return str(value) if is_plain else repr(value)
