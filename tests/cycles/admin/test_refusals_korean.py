"""What services refuse is Korean in a Korean page, and English everywhere else."""

from __future__ import annotations

import ast

import pytest

from tests.cycles.admin import refusals
from tests.cycles.admin.test_korean import written

NAMES = refusals.error_names()


def test_every_refusal_that_a_page_may_tell_is_a_sentence_with_its_korean() -> None:
    known = written()
    lacking = [
        (path, text)
        for path, tree in refusals.sources()
        if path not in refusals.ELSEWHERE
        for text in refusals.patterns(tree, NAMES)
        if not known.get(text)
    ]
    assert lacking == []


def test_no_refusal_that_a_page_may_tell_is_put_together_of_words() -> None:
    found = [
        (path, *one)
        for path, tree in refusals.sources()
        if path not in refusals.ELSEWHERE
        for one in refusals.unknowable(tree, NAMES)
    ]
    assert found == []


def test_only_what_would_be_found_is_excused() -> None:
    known = written()
    for path, tree in refusals.sources():
        if path in refusals.ELSEWHERE:
            is_untranslated = any(not known.get(one) for one in refusals.patterns(tree, NAMES))
            assert is_untranslated or any(refusals.unknowable(tree, NAMES)), path


@pytest.mark.parametrize(
    "code",
    [
        'raise NotFoundError(f"there is no {name}")',
        'raise NotFoundError("there is no " + name)',
        "raise NotFoundError(str(error))",
        'told = f"there is no {name}"\nraise NotFoundError(told)',
        'raise PolicyDeniedError("; ".join(texts))',
        'def _objection(row):\n    return f"{row} is closed"',
        'told = Sentence(f"{row} is closed")',
    ],
)
def test_a_refusal_put_together_of_words_would_be_found(code: str) -> None:
    assert [*refusals.unknowable(ast.parse(code), NAMES)]


@pytest.mark.parametrize(
    "code",
    [
        'raise NotFoundError("a sentence nobody has translated")',
        'raise NotFoundError("a sentence nobody has translated", name=name)',
        'told = Sentence("a sentence nobody has translated", name=name)',
        'raise NotAllowedNowError(objection or "a sentence nobody has translated")',
    ],
)
def test_a_refusal_without_its_korean_would_be_found(code: str) -> None:
    found = [*refusals.patterns(ast.parse(code), NAMES)]
    assert found == ["a sentence nobody has translated"]
    assert not written().get(found[0])
