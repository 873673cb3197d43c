"""The first operator: an admin whose generated password is shown once and kept nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.contrib.auth import get_user_model
from django.db import transaction

NAME = "admin"


def ensure(tell: Callable[[str], object]) -> str | None:
    """Create the user `admin` if nobody administers the desk; return the password then.

    It is told before it holds: whatever ends us meanwhile, no password holds that nobody was told.
    """
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        users.create_superuser(NAME, password=password)
        tell(password)
    return password
