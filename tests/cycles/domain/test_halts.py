"""Why a desk is halted, where more than one had a reason."""

from __future__ import annotations

from cycles.domain.halts import LONGEST, SYSTEM, joined, stands


def test_the_newest_reason_comes_first_and_those_before_it_keep_their_names() -> None:
    both = joined("maintenance", "alice", by="bob", words="incident at upbit")
    assert both == "incident at upbit; earlier, by alice: maintenance"
    assert joined(both, "bob", by="carol", words="power is out") == (
        "power is out; earlier, by bob: incident at upbit; earlier, by alice: maintenance"
    )


def test_words_that_anyone_who_read_the_reason_has_read_stand_and_others_do_not() -> None:
    both = joined("maintenance", "alice", by="bob", words="incident at upbit")
    assert stands(both, "bob", by="bob", words="incident at upbit")
    assert stands(both, "bob", by="alice", words="maintenance")
    assert not stands(both, "bob", by="bob", words="maintenance")
    assert not stands(both, "bob", by="bob", words="incident")
    assert not stands("", "", by="bob", words="incident")


def test_words_that_look_like_two_reasons_stand_as_they_were_written() -> None:
    odd = "as told; earlier, by carol: nothing"
    assert stands(joined(odd, "bob", by=SYSTEM, words="x"), SYSTEM, by="bob", words=odd)


def test_what_the_system_says_of_a_matter_takes_the_place_of_its_older_figures() -> None:
    text, by = "maintenance", "alice"
    for figure in range(100):
        text, by = joined(text, by, by=SYSTEM, words=f"the ledger is off: {figure}"), SYSTEM
    text = joined(text, by, by=SYSTEM, words="the database was restored")
    assert text == (
        "the database was restored; earlier, by system: the ledger is off: 99; earlier, by alice: maintenance"
    )


def test_a_reason_that_nobody_gave_leaves_no_trace() -> None:
    assert joined("", "", by="bob", words="incident") == "incident"


def test_of_too_many_reasons_the_oldest_give_way_and_never_the_newest() -> None:
    text = "the first"
    for number in range(20):
        text = joined(text, "bob", by="bob", words=f"{number} " + "x" * 1000)
    assert text.startswith("19 ")
    assert "18 x" in text
    assert "the first" not in text
    assert len(text) <= LONGEST
    assert joined(text, "bob", by="bob", words="y" * 2 * LONGEST) == "y" * 2 * LONGEST
