"""What the generated tables say beyond the code's own words; a word without its text is a KeyError."""

from __future__ import annotations

from cycles.domain.words import AccountOwner as O, CycleStatus as S, PostingKind as P, Verb

STATUSES: dict[S, str] = {
    S.STARTED: "the cycle owns its capital; the outbound passage runs",
    S.INITIAL_TRADE_COMPLETED: "the outbound passage is settled, KRW is in hand",
    S.AWAITING_REBALANCE: "waits for a way back that clears the policy; oldest started first",
    S.REBALANCING_IN_PROGRESS: "the return passage runs",
    S.REBALANCE_TRADE_COMPLETED: "USDT is home, the books are not closed yet",
    S.RETRY_PENDING: "something failed; it is tried again when due, from the status that is stored",
    S.DEAD_LETTER: "a person must decide (or automatic recovery, inside the policy's loss limit)",
    S.COMPLETED: "final: everything went back to the desk",
    S.FAILED: "final: sold back or written off; it owns nothing",
}

OWNERS: dict[O, str] = {
    O.DESK: "the desk's own: what a new cycle may take",
    O.CYCLE: "one cycle's: what its next step may spend",
    O.IN_FLIGHT: "one cycle's, between venues: sent and not credited",
    O.SUSPENSE: "one cycle's, unexplained: a credit that differs from what was sent",
    O.DUST: "too little to trade; it is still at the venue",
    O.CONVERSION: "the other side of trades: what was given and got, hence P&L",
    O.TRADING_FEES: "paid to venues for trades",
    O.NETWORK_FEES: "paid for withdrawals",
    O.CAPITAL: "where opening balances came from",
    O.WRITTEN_OFF: "given up by a person",
}

POSTINGS: dict[P, str] = {
    P.CAPITAL: "an opening balance, once, when the desk is set up",
    P.OPEN: "a new cycle takes its capital",
    P.FILL: "one order's executions, with their fees",
    P.SENT: "a withdrawal was accepted",
    P.RETURNED: "the venue gave a withdrawal back",
    P.CREDITED: "a deposit, for what it is; the difference goes to suspense",
    P.DUST: "reserved: dust is posted by CLOSE today",
    P.CLOSE: "the cycle ends: USDT and KRW to the desk, what cannot be traded to dust",
    P.RESOLVED: "a person states what holdings became",
    P.WRITE_OFF: "a person gives up what the cycle owns",
}

VERBS: dict[Verb, str] = {
    Verb.REDRIVE: "a dead letter goes on where it stopped, with a new retry budget",
    Verb.UNWIND: "a dead letter sells its coins back where they are",
    Verb.RESOLVE: "state what happened outside of kimp, with evidence",
    Verb.WRITE_OFF: "give up what a dead letter owns; it ends FAILED",
    Verb.ACKNOWLEDGE: "take a dead letter on; automatic recovery leaves it alone",
    Verb.OPEN: "open a cycle by hand, inside the policy's limits",
    Verb.HALT: "no new intent is written; or no new cycles (FINALIZE_ONLY)",
    Verb.RESUME: "leave HALT or FINALIZE_ONLY",
    Verb.PAUSE: "no new cycle on a venue, an asset or a route",
    Verb.UNPAUSE: "lift a pause",
    Verb.SET_POLICY: "write a new version of the policy",
    Verb.CONFIRM_ADDRESS: "confirm a deposit address of ours as one of two people; no token may",
    Verb.RETIRE_ADDRESS: "end a deposit address of ours: nothing is sent there any more",
    Verb.PROVE_ASSET: "state what a venue's symbol is: asset, chain, contract; no token may",
    Verb.BLOCK_ASSET: "nothing is bought, sent or sold under a venue's symbol any more",
    Verb.CATCH_UP: "write down what the venues show since a backup; accept what it leaves",
}
