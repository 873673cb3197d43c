"""What a test expects of the database: that it says no, naming the guard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, transaction


@contextmanager
def refused(guard: str) -> Iterator[None]:
    """Expect the database to refuse what happens inside, by the guard of this name."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        yield
    assert caught.value.__cause__.diag.constraint_name == guard  # type: ignore[union-attr]  # psycopg's
