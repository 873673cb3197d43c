"""What commits by itself, one statement outside of any transaction of ours: why one alone is harmless.

A place that stands neither here nor at a transaction fails the test that comes by it (`tests/writing_alone.py`).
`alerting.raise_alert` and `raise_alerts` are whoever calls it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alone:
    """Places of one kind, `module.function`, and why nothing is lost where a process dies beside such a statement."""

    why: str
    places: tuple[str, ...]


ALONE = (
    Alone(
        "an alert about what stands, keyed by it: who finds it again tells it, once",
        (
            "agreeing.tell", "believing._tell", "log_ins.tell_lock_out", "overdue.tell", "rating._tell_failed_source",
            "reacting.key_rejected", "rotating._tell", "tasks._tell", "trading._warn_widening",
            "travel_rule._tell_held", "venue_health.tell_of_bans", "verifying._tell_if_blind", "verifying._tell_if_unproven",
            "verifying._proven",
        ),
    ),
    Alone(
        "one fact, whole in its row; what it says is seen, or asked for, again",
        (
            "alerting._note_delivery", "alerting._note_failure", "calling.write_outcome",
            "looking._give_up", "gathering.Gathered.mark_missed", "trading._mark_found", "trading._mark_missed",
            "travel_rule._ask", "watching.look",
        ),
    ),
    Alone(
        "a lease, a mark or a sign of life: runs out by itself, or is written at the next turn",
        (
            "hearing.Ears.close", "hearing._hold", "homing.vouch", "looking.begin", "presence.beat", "presence.leave",
            "proving._see_newest", "proving._sum_piece", "queue_health.begin", "refreshing.refresh_in_turn",
            "rolling_up._look", "rotating._remember", "travel_rule._claim", "verifying._note_proof",
            "witnessing.keep",
        ),
    ),
    Alone(
        "rows that nobody needs: what is left is deleted by the next run",
        ("log_in.Brake.remove_out_of_limit_failure_logs", "pruning._forget_seen", "pruning.prune", "tasks._prune"),
    ),
    Alone(
        "rows that are missing, each whole: the same again adds what is missing still",
        ("desk.create", "market_sync._add_routes", "seeding.first_policy"),
    ),
    Alone(
        "an answer, or a key that is given back: its key stays taken without it, so that who asks again under it is told "
        "to look at what was acted on, and nothing is done twice (killed there: `test_door.py`)",
        ("idempotency.forget", "idempotency.remember"),
    ),
    Alone(
        "a token: who saw none takes another, and who saw no end of one ends it again",
        ("tokens._note_use", "tokens.issue", "tokens.revoke"),
    ),
    Alone(
        "what was measured of calls and clocks, on a connection of its own: measured again",
        (
            "store.SharedStore.hold", "store.SharedStore.learn", "store.SharedStore.note_clock",
        ),
    ),
    Alone(
        "the first user of a demonstration, or of a new desk: made where missing",
        ("first_admin.ensure", "operator.make_operator"),
    ),
)  # fmt: skip
PLACES = frozenset(place for row in ALONE for place in row.places)
# Written within others' transactions, and called by tests without one: no place where it is a test that calls them.
PARTS = frozenset({
    "booking.post", "cycle.Cycle.save", "homing.leave", "homing.settle", "replaying.conclude", "settling.finish_step",
})  # fmt: skip
