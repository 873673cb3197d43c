"""What the desk says of log-ins that failed: a line of each, an alert once for each lock-out."""

from __future__ import annotations

import structlog

from cycles import conf
from cycles.models import Alert
from cycles.models.fields import LONGEST_NAME
from cycles.services.alerting import raise_alert

log = structlog.get_logger(__name__)


def note_failure(username: str, client: str, *, is_locked_out: bool) -> None:
    """Write one line: whose name was tried and from where, never with what."""
    log.warning(
        "log_in.failed", username=shown(username), client=client, is_locked_out=is_locked_out
    )


def tell_lock_out(username: str, client: str, *, number: int) -> None:
    """Tell people that a name was locked for an address; `number` is this lock-out's own."""
    who, minutes = shown(username), int(conf.log_in_lock().total_seconds() // 60)
    raise_alert(
        key=f"log-in:{number}",
        severity=Alert.Severity.WARNING,
        title=f"Log-ins as {who} from {client or 'an unknown address'} are locked"[:160],
        body=(
            f"{conf.log_in_failures()} wrong passwords in a row. Nobody logs in as {who} from there for "
            f"{minutes} minutes after the last. If it was not {who}, somebody guesses: look at the failed "
            "log-ins in the admin, and bar that address before the desk. To unlock: "
            "`manage.py axes_reset_ip_username IP NAME`."
        ),
    )


def shown(name: str) -> str:
    """Give a name that anybody may have typed, as one short line: control characters are escaped."""
    seen = (one if one.isprintable() else ascii(one)[1:-1] for one in name[:LONGEST_NAME])
    return "".join(seen)[:LONGEST_NAME]
