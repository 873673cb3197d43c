"""A sentence is its English text everywhere, and keeps what another language needs."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from cycles.errors import InvalidInputError, NotFoundError, StaleVersionError
from exchanges.errors import StaleReferenceError
from exchanges.sentences import Sentence, listed, sentence_of

PATTERN = "there is no %(what)s %(name)r"


def test_a_sentence_is_the_english_text_with_its_parts() -> None:
    made = Sentence(PATTERN, what=Sentence("asset"), name="XRP")
    assert made == "there is no asset 'XRP'"
    assert made.msgid == PATTERN
    assert json.dumps([made]) == "[\"there is no asset 'XRP'\"]"


def test_a_text_without_parts_is_taken_as_it_is() -> None:
    assert Sentence("100% of %(it)s") == "100% of %(it)s"
    assert Sentence("%(it)s", it="100%(of)s") == "100%(of)s"


def test_several_sentences_stand_in_a_row() -> None:
    several = (Sentence("one of %(n)s", n=2), Sentence("another"))
    assert listed(several) == "one of 2; another"


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_keeps_the_parts(again: object) -> None:
    made = Sentence(PATTERN, what="asset", name="XRP")
    kept = again(made)  # type: ignore[operator]  # one of three functions
    assert (kept, kept.msgid, kept.parts) == (made, made.msgid, made.parts)


def test_an_error_says_its_sentence_in_english_and_gives_it_with_its_parts() -> None:
    error = NotFoundError(PATTERN, what="asset", name="XRP")
    assert str(error) == "there is no asset 'XRP'"
    told = sentence_of(error)
    assert isinstance(told, Sentence)
    assert told.parts == {"what": "asset", "name": "XRP"}


def test_an_error_that_is_given_a_sentence_keeps_it() -> None:
    made = Sentence(PATTERN, what="asset", name="XRP")
    assert sentence_of(NotFoundError(made)) is made
    assert sentence_of(StaleReferenceError(made)) is made


def test_words_of_others_are_given_as_they_are() -> None:
    assert sentence_of(StaleReferenceError("100% their words")) == "100% their words"
    assert sentence_of(ValueError()) == ""
    assert str(InvalidInputError("percentage: 101%", {"percentage": ["too much"]})) == (
        "percentage: 101%"
    )


def test_a_stale_version_names_what_has_changed() -> None:
    told = sentence_of(StaleVersionError(seen=1, found=2, what="the desk"))
    assert isinstance(told, Sentence)
    assert told.startswith("the desk has changed: you saw version 1, it is now at version 2")
    assert told.parts["what"] == Sentence("the desk")
