"""The operator's commands and their exit codes, as tables: helped by, tested against, documented from."""

from __future__ import annotations

from dataclasses import dataclass

EXIT_CODES: dict[int, str] = {
    0: "done, or a dry run shown",
    1: "failed",
    2: "wrong usage, or no such thing",
    3: "refused: permission, policy, or the present state forbids it",
    4: "conflict: it changed since you saw it",
    75: "try later: busy, or data is too old",
    130: "interrupted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """One command. `acts`: it writes, and only with --yes."""

    name: str
    purpose: str
    acts: bool
    examples: tuple[str, ...]


def _row(name: str, purpose: str, *examples: str, acts: bool = False) -> CommandRow:
    return CommandRow(name=name, purpose=purpose, acts=acts, examples=examples)


COMMANDS: tuple[CommandRow, ...] = (
    _row(
        "cycles",
        "List cycles, newest first, or the queue of dead letters by money at risk.",
        "cycles --status DEAD_LETTER",
        "cycles --asset XRP --limit 20 --json",
    ),
    _row(
        "cycle",
        "Show one cycle: what it owns and everything that happened to it.",
        "cycle CYC-0123456789AB",
        "cycle CYC-0123456789AB --json",
    ),
    _row(
        "open_cycle",
        "Open a cycle by hand, inside the policy's limits.",
        "open_cycle --asset XRP --notional 5000",
        "open_cycle --asset XRP --notional 5000 --yes --as alice --reason 'try the route'",
        "open_cycle --return-only --notional-krw 7000000 --yes --as alice --reason 'send it home'",
        acts=True,
    ),
    _row(
        "redrive",
        "Send dead letters on where they stopped, with a new retry budget.",
        "redrive CYC-0123456789AB",
        "redrive CYC-0123456789AB --version 7 --yes --as alice --reason 'the wallet is open again'",
        "cycles --status DEAD_LETTER --codes | manage.py redrive - --yes --as alice --reason 'up again'",
        "redrive --all-matching --class WALLET_CLOSED --asset XRP",
        "redrive --all-matching --class WALLET_CLOSED --asset XRP --count 1234 "
        "--seen-at 2026-11-26T12:00:00.123456Z --yes --as alice --reason 'the wallet is open again'",
        acts=True,
    ),
    _row(
        "unwind",
        "Let a dead letter sell its coins back where they are.",
        "unwind CYC-0123456789AB",
        "unwind CYC-0123456789AB --version 7 --yes --as alice --reason 'the premium is gone'",
        acts=True,
    ),
    _row(
        "resolve",
        "State what happened to a dead letter outside of kimp, with evidence.",
        "resolve CYC-0123456789AB --outcome CALL_ABSENT --evidence 'ticket 7'",
        "resolve CYC-0123456789AB --outcome COMPLETED --evidence 'ticket 7' "
        "--received binance:USDT:4990.5 --version 7 --yes --as alice --reason 'sold by hand'",
        acts=True,
    ),
    _row(
        "write_off",
        "Give up everything a dead letter owns; it ends as FAILED.",
        "write_off CYC-0123456789AB",
        "write_off CYC-0123456789AB --version 7 --yes --as alice --reason 'lost for good'",
        acts=True,
    ),
    _row(
        "halt",
        "Stop the desk: nothing new that moves money is written.",
        "halt --yes --as alice --reason 'strange balances'",
        "halt --finalize-only --yes --as alice --reason 'no new cycles today'",
        acts=True,
    ),
    _row(
        "resume",
        "Leave a halt: let the desk run, or finish only.",
        "resume",
        "resume --version 7 --yes --as alice --reason 'balances explained'",
        "resume --finalize-only --version 7 --yes --as alice --reason 'bring it home first'",
        acts=True,
    ),
    _row(
        "verify_ledger",
        "Prove the ledger by itself and against the venues' balances.",
        "verify_ledger",
        "verify_ledger --json",
        "verify_ledger --all",
    ),
    _row(
        "reconcile",
        "Ask the venues what became of requests with an unknown outcome, and write it down.",
        "reconcile",
        "reconcile --yes",
        "reconcile CYC-0123456789AB --yes",
        acts=True,
    ),
    _row(
        "catch_up",
        "After a restore: halt, ask the venues for everything since the backup, write it down, compare.",
        "catch_up",
        "catch_up --since 2026-11-26T03:00+09:00 --yes --as alice --reason 'restored the dump of 3 h'",
        "catch_up --accept --yes --as alice --reason 'the rest was sent by hand, ticket 7'",
        acts=True,
    ),
    _row(
        "addresses",
        "List our own deposit addresses; confirm one as one of two people, or retire it.",
        "addresses list",
        "addresses confirm ADR-0123456789 --as alice",
        "addresses confirm ADR-0123456789 --ends-with 9fGh2K --memo 100200300 --version 1 "
        "--yes --as alice --reason 'compared with the page of upbit'",
        "addresses retire ADR-0123456789 --version 3 --yes --as bob --reason 'not ours any more'",
        acts=True,
    ),
    _row(
        "identities",
        "List what each venue's symbols are; prove one, or block it.",
        "identities list",
        "identities prove binance USDT ETH --asset USDT --chain ETH "
        "--contract 0xdac17f958d2ee523a2206206994597c13d831ec7 --decimals 6 --version 1 "
        "--yes --as carol --reason 'page of the issuer'",
        "identities block binance XRP XRP --version 2 --yes --as alice --reason 'a swap is announced'",
        acts=True,
    ),
    _row(
        "api_token",
        "Issue, list and revoke the API's bearer tokens.",
        "api_token issue --user alice --name laptop --scopes cycles:read,dlq:act --yes --as admin",
        "api_token list",
        "api_token revoke 0123456789 --yes --as admin",
        acts=True,
    ),
)
BY_NAME = {row.name: row for row in COMMANDS}
