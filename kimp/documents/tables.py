"""The generated tables, one function each, from the same objects that the program runs on."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation

from cycles import errors, migrations, tasks
from cycles.admin.runbook import RUNBOOK
from cycles.domain import jobs
from cycles.domain.states import BEGINNINGS, DRIVEN_BY, FINAL, HOPELESS, TRANSITIONS
from cycles.domain.words import CycleStatus, FailureClass
from cycles.management.catalogue import BY_NAME, EXIT_CODES
from cycles.models import PolicyVersion
from cycles.services import idempotency, intervening, reconciling
from cycles.services.tokens import Scope
from exchanges import registry
from exchanges.simulator.candles import stretches
from exchanges.simulator.core.fault_table import TABLE as TABLE_OF_FAULTS
from exchanges.simulator.core.streams import rules
from exchanges.values import OutcomeRule
from kimp import metrics, settings_listing
from kimp.documents import examples, killings, measured, scenarios, storms, texts, venue_limits
from kimp.documents.grids import grid

APPS = ("kimp", "cycles", "exchanges")
GROUPS = ("viewer", "operator", "approver", "administrator")


def code(text: object) -> str:
    """Write a word of the program."""
    return f"`{text}`" if text != "" else ""


def first_line(thing: object) -> str:
    """Give the first line of a docstring."""
    return (getattr(thing, "__doc__", "") or "").strip().split("\n")[0]


def statuses() -> str:
    """Say what each status means, where it leads and who drives it."""
    return grid(
        ("status", "meaning", "leaves to", "driven by"),
        (
            (
                code(status.value),
                texts.STATUSES[status],
                ", ".join(code(s.value) for s in CycleStatus if s in TRANSITIONS[status]) or "—",
                _driver(status),
            )
            for status in CycleStatus
        ),
    )


def _driver(status: CycleStatus) -> str:
    if status in FINAL:
        return "—"
    if status in DRIVEN_BY:
        return DRIVEN_BY[status].value
    if status is CycleStatus.RETRY_PENDING:
        return "the role of the stored status"
    return "people; the worker for alerts and automatic recovery"


def status_graph() -> str:
    """Draw the same table."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {status.value}" for status in CycleStatus if status in BEGINNINGS]
    lines += [
        f"    {status.value} --> {target.value}"
        for status in CycleStatus
        for target in CycleStatus
        if target in TRANSITIONS[status]
    ]
    lines += [f"    {status.value} --> [*]" for status in CycleStatus if status in FINAL]
    return "\n".join([*lines, "```"])


def commands() -> dict[str, str]:
    """Give every command of the project with one line on what it does."""
    found: dict[str, str] = {}
    for app in APPS:
        package = import_module(f"{app}.management.commands")
        for module in iter_modules(package.__path__):
            made = import_module(f"{package.__name__}.{module.name}").Command
            row = BY_NAME.get(module.name)
            found[module.name] = row.purpose if row is not None else _purpose(made)
    return found


def _purpose(command: type[BaseCommand]) -> str:
    """Give a command's own help; where it inherits one that is not ours, its docstring."""
    if "help" in vars(command):
        return str(command.help)
    return first_line(command).partition(": ")[2].capitalize()


def command_table() -> str:
    """List the commands; those that act write only with --yes."""
    acting = {name for name, row in BY_NAME.items() if row.acts}
    return grid(
        ("command", "does", "`--yes`"),
        (
            (code(name), " ".join(told.split()), "needed to act" if name in acting else "")
            for name, told in sorted(commands().items())
        ),
    )


def exit_codes() -> str:
    """List what commands end with."""
    return grid(("exit status", "means"), ((str(n), told) for n, told in EXIT_CODES.items()))


def error_classes() -> list[type[errors.CycleError]]:
    """Give every error that a service may answer with, in the order of their codes."""
    assert issubclass(idempotency.KeyReusedError, errors.CycleError)  # noqa: S101  it is loaded
    found: list[type[errors.CycleError]] = [errors.CycleError]
    for known in found:
        found += [one for one in known.__subclasses__() if one not in found]
    return sorted(found, key=lambda one: one.code)


def error_codes() -> str:
    """List the codes of problem+json and of the commands."""
    return grid(
        ("code", "HTTP", "exit", "means"),
        (
            (code(one.code), str(int(one.http_status)), str(one.exit_code), first_line(one))
            for one in error_classes()
        ),
    )


def failures() -> str:
    """Say of each failure class what it means, how it is retried, and what people do."""
    rows = []
    for failure in FailureClass:
        hint = RUNBOOK[failure]
        ladder = "no: a dead letter at once" if failure in HOPELESS else "yes"
        verbs = ", ".join(str(verb.label) for verb in hint.usual)
        rows.append((code(failure.value), ladder, str(hint.meaning), str(hint.check), verbs))
    return grid(("class", "retried", "it means", "look first", "usual verbs"), rows)


def ladders() -> str:
    """Give the starter policy's two ladders."""
    kinds = (("calm", "nothing exposed"), ("urgent", "coins held, whose price moves"))
    return grid(
        ("ladder", "when", "first delay at most", "cap", "attempts"),
        (
            (
                name,
                when,
                f"{_default(f'{name}_base_seconds')} s, doubling",
                f"{_default(f'{name}_cap_seconds')} s",
                str(_default(f"{name}_attempts")),
            )
            for name, when in kinds
        ),
    )


def _default(field: str) -> Any:
    return getattr(PolicyVersion(), field)


def verbs() -> str:
    """Say who may do what."""
    first, then = migration("groups"), migration("vouching_groups")
    operator, approver = (*first.OPERATOR, *then.OPERATOR), (*first.APPROVER, *then.APPROVER)
    rows = []
    for verb, permission in intervening.PERMISSIONS.items():
        name = permission.partition(".")[2]
        lowest = (
            1 if name in operator else 2 if name in approver else 3
        )  # as the migration builds the groups up
        rows.append(
            (code(verb.value), texts.VERBS[verb], code(permission), ", ".join(GROUPS[lowest:]))
        )
    return grid(("verb", "does", "permission", "groups"), rows)


def migration(name: str) -> Any:
    """Give a migration of cycles by its name, whatever its number."""
    (found,) = (one.name for one in iter_modules(migrations.__path__) if one.name[5:] == name)
    return import_module(f"{migrations.__name__}.{found}")


def scopes() -> str:
    """List what a token may be narrowed to."""
    return grid(("scope", "lets"), ((code(one.value), str(one.label)) for one in Scope))


def schedule() -> str:
    """List what the queue runs."""
    return grid(
        ("task", "every", "does"),
        (
            (code(one.name), f"{one.minutes} min", first_line(getattr(tasks, one.name)))
            for one in jobs.SCHEDULES
        ),
    )


def gauges() -> str:
    """List what the web role's /metrics reads from the database."""
    return grid(
        ("gauge", "labels", "is"),
        ((code(g.name), " ".join(code(one) for one in g.labels), g.text) for g in metrics.GAUGES),
    )


def market() -> str:
    """List the shipped stretches of recorded market."""
    return grid(
        ("stretch", "what it is", "recorded", "generated"),
        (
            (code(one.name), one.description, one.recorded, one.generated)
            for one in stretches().values()
        ),
    )


def fault_table() -> str:
    """List the simulator's named faults."""
    return grid(
        ("fault", "does", "the client must end up with"),
        ((code(name), row.does, row.wants) for name, row in TABLE_OF_FAULTS.items()),
    )


def outcome_rules() -> str:
    """Say for each venue when the absence of a request that may have been lost proves something."""
    rows = (
        (venue, what, rule_of(adapter))
        for venue, adapter in registry.ADAPTERS.items()
        for what, rule_of in reconciling.RULES.items()
    )
    return grid(
        (
            "venue",
            "request",
            "its outcome is told by",
            "absence proves that it never was",
            "a person is asked",
            "its id again",
        ),
        (
            (
                venue,
                code(what),
                rule.told_by,
                _proves(rule),
                f"after {rule.lookup_grace_seconds} s without a trace"
                if rule.absence_proves_after_seconds is None
                else "—",
                "burned for ever"
                if rule.client_id_is_burned
                else "not refused: none is used twice",
            )
            for venue, what, rule in rows
        ),
    )


def _proves(rule: OutcomeRule) -> str:
    """Say when absence proves something, and what denies it then."""
    if rule.absence_proves_after_seconds is None:
        return "never"
    denied = ", unless the account has its funds locked" if rule.locked_denies_absence else ""
    return f"after {rule.absence_proves_after_seconds} s{denied}"


def scenario_table() -> str:
    """List the simulator's scenarios."""
    return grid(scenarios.HEADINGS, scenarios.rows())


def venue_limit_table() -> str:
    """Say what venues allow, and how many cycles a minute come of it."""
    return grid(venue_limits.HEADINGS, venue_limits.rows())


def venue_pair_table() -> str:
    """Say which limit binds a pair of venues."""
    return grid(venue_limits.HEADINGS_OF_PAIRS, venue_limits.pairs())


def stream_fault_table() -> str:
    """List what can go wrong on the simulator's WebSockets."""
    rows = ((code(name), kind.does, code(kind.when)) for name, kind in rules.KINDS.items())
    return grid(("`action`", "does", "`when`, if not given"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "outcome-rules": outcome_rules,
    "statuses": statuses,
    "status-graph": status_graph,
    "settings": settings_listing.markdown,
    "commands": command_table,
    "exit-codes": exit_codes,
    "errors": error_codes,
    "failures": failures,
    "ladders": ladders,
    "verbs": verbs,
    "scopes": scopes,
    "schedule": schedule,
    "gauges": gauges,
    "market": market,
    "venue-limits": venue_limit_table,
    "venue-pairs": venue_pair_table,
    "scenarios": scenario_table,
    "faults": fault_table,
    "stream-faults": stream_fault_table,
    "accounts": examples.accounts,
    "postings": examples.postings_table,
    **measured.TABLES,
    **storms.TABLES,
    **killings.TABLES,
}


def all_tables() -> dict[str, str]:
    """Make every table, in English whoever asks."""
    with translation.override("en"):
        return {name: make() for name, make in TABLES.items()}
