"""Sentences that refuse: English for logs, journal and clients, and their parts for pages in other languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self


class Sentence(str):
    """An English sentence that remembers its pattern and what was put in: a page says it in its reader's language.

    What is put in may be a Sentence itself (a word that has a translation), or several, which are listed.
    """

    __slots__ = ("msgid", "parts")
    msgid: str
    parts: Mapping[str, object]

    def __new__(cls, msgid: str, /, **parts: object) -> Self:
        """Put the parts into a pattern as `%(name)s`; a text without parts is taken as it is."""
        said = {name: told(part) for name, part in parts.items()}
        self = super().__new__(cls, msgid % said if said else msgid)
        self.msgid = msgid
        self.parts = parts
        return self


def told(part: object) -> str:
    """Give a part as it stands in the English sentence."""
    return "; ".join(map(str, part)) if isinstance(part, list | tuple) else str(part)


def listed(sentences: Sequence[str]) -> Sentence:
    """Make one of several sentences: each is said in the reader's language."""
    return Sentence("%(sentences)s", sentences=tuple(sentences))


def sentence_of(error: Exception) -> str:
    """Give what an error says, with its parts where it has them; `str(error)` has lost them."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Sentence) else str(error)
