"""The first operator: an admin whose generated password is shown once and kept nowhere."""

from __future__ import annotations

import secrets

from django.contrib.auth import get_user_model

NAME = "admin"


def ensure() -> str | None:
    """Create the user `admin` if nobody administers the desk; return the password then."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser(NAME, password=password)
    return password
