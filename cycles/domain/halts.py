"""Why a desk is halted, where more than one had a reason: the newest first, then those before it.

They stand in one text, so that every page, answer and command that shows the reason shows all of them.
"""

from __future__ import annotations

from cycles.domain.words import Mode, word
from exchanges.sentences import Sentence

SYSTEM = "system"
EARLIER = "; earlier, by "
LONGEST = 6000  # of all reasons together: the oldest give way, interventions and alerts have them


def stands(text: str, said_by: str, *, by: str, words: str) -> bool:
    """Say whether whoever has read the desk's reason has read these words of theirs."""
    return f"{EARLIER}{by}: {words}{EARLIER}" in f"{EARLIER}{said_by}: {text}{EARLIER}"


def joined(text: str, said_by: str, *, by: str, words: str) -> str:
    """Put new words before what stands; what the system says of a matter takes the place of what it said."""
    before = f"{said_by or SYSTEM}: {text}".split(EARLIER) if text else []
    kept = [one for one in before if by != SYSTEM or _matter(one) != _matter(f"{by}: {words}")]
    while kept and len(EARLIER.join((words, *kept))) > LONGEST:
        kept.pop()
    return EARLIER.join((words, *kept))


def mode_objection(target: Mode, present: str) -> Sentence:
    """Say why a mode is not set; nothing where that changes something: a halted desk takes another reason."""
    if target is Mode.HALT or target != present:
        return Sentence("")
    return Sentence("the desk is set to %(mode)s already: nothing would change", mode=word(target))


def _matter(said: str) -> list[str]:
    """Give who speaks, and of what: the system's figures follow a colon."""
    return said.split(": ")[:2]
