"""What services refuse, in the reader's language: the one place where an error becomes words of a page."""

from __future__ import annotations

from django.utils.translation import gettext

from exchanges.sentences import Sentence, sentence_of


def worded(text: str) -> str:
    """Say a sentence of a service, written in English, in the reader's language; names stay as they are."""
    if not text:
        return ""
    if not isinstance(text, Sentence) or not text.parts:
        return gettext(text)
    return gettext(text.msgid) % {name: _part(part) for name, part in text.parts.items()}


def _part(part: object) -> str:
    if isinstance(part, list | tuple):
        return "; ".join(worded(one) for one in part)
    return worded(part) if isinstance(part, Sentence) else str(part)


def refusal(error: Exception) -> str:
    """Say in the reader's language what an error of a service says in English."""
    return worded(sentence_of(error))
