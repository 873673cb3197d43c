"""What one process holds and knows of one window of a venue. Instants are monotonic seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchanges.transport.limits import DOOR, Priority, Window
from exchanges.transport.windows import PARTS, Ask, Grant

LEASE_SECONDS = 2.0  # tokens are not kept longer: a ban that others met must be heard of
CHUNK = 4  # one process asks for no more than this share (1/4) of a window at once
MOST_SPARE = 40  # nor keeps more than this share (1/40) for calls that may follow


@dataclass(slots=True)
class Shelf:
    """Tokens of one window, how long they are good, and what keeps us from having more."""

    window: Window
    limit: int
    tokens: int = 0
    good_until: float = 0.0
    spare: int = 0  # bought beyond what is needed: as much as was used up lately
    held_until: float = 0.0
    # By priority: before this the store has nothing for it.
    closed_until: list[float] = field(default_factory=lambda: [0.0] * len(Priority))
    seen: int = 0
    seen_at: float = 0.0

    @property
    def is_door(self) -> bool:
        """Say whether it stands for a whole scope."""
        return self.window.group == DOOR

    def live_tokens(self, now: float) -> int:
        """Give the tokens that may be spent now; what ran out is gone, and fewer are bought to spare."""
        if self.tokens and now >= self.good_until:
            self.spare //= 2
            self.tokens = 0
        return self.tokens

    def see(self, used: int, now: float) -> bool:
        """Keep what the venue says was used; says whether nothing is left."""
        self.seen, self.seen_at = used, now
        return 0 < self.limit <= used

    def hold(self, seconds: float, now: float) -> None:
        """Let no call go for a while."""
        self.held_until = max(self.held_until, now + seconds)
        self.tokens = 0

    def ask(
        self,
        priority: Priority,
        lacks: Sequence[int],
        now: float,
        *,
        haste_seconds: float,
        waited_seconds: float,
    ) -> Ask:
        """Say what calls that lack so many tokens each want from the store, the first having waited so long."""
        needed = max(min(sum(lacks), self.limit // CHUNK), lacks[0])
        spare = self.spare if needed and priority >= Priority.POLL else 0
        is_news = now - self.seen_at < self.window.span_seconds / PARTS
        return Ask(
            window=self.window,
            priority=priority,
            least=lacks[0],
            needed=needed,
            wanted=needed + spare,
            seen=self.seen if is_news else 0,
            haste_seconds=haste_seconds,
            waited_seconds=waited_seconds,
        )

    def put_away(self, ask: Ask, grant: Grant, asked_at: float) -> None:
        """Keep what was bought, for as long as it is good; or remember when to ask again."""
        if grant.held_seconds > 0:
            self.hold(grant.held_seconds, asked_at)
        if not ask.wanted:
            return
        self.limit = grant.limit or self.limit
        if grant.tokens < ask.least:
            self.closed_until[ask.priority] = asked_at + grant.seconds
            return
        good_until = asked_at + min(grant.seconds, LEASE_SECONDS)
        self.good_until = min(good_until, self.good_until) if self.tokens else good_until
        self.tokens += grant.tokens
        if ask.priority >= Priority.POLL:
            self.spare = min(max(2 * self.spare, ask.needed), max(self.limit // MOST_SPARE, 1))
