"""How values look on the wire: money as decimal strings, instants in UTC, unknown names refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

from django.db import models
from rest_framework import serializers


class MoneyField(serializers.DecimalField):
    """A quantity as a decimal string; a JSON number has lost its digits already and is refused."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("max_digits", 38)
        options.setdefault("decimal_places", 18)
        options.setdefault("normalize_output", True)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Decimal:
        """Read a string."""
        if not isinstance(data, str):
            raise serializers.ValidationError('a decimal string is needed, as in "12.5"')
        return super().to_internal_value(data)


class InstantField(serializers.DateTimeField):
    """An instant in RFC 3339, shown in UTC whatever time zone is active."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("default_timezone", UTC)
        super().__init__(**options)


class Body(serializers.Serializer[Any]):
    """What a request says; a name that is not expected is refused, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown names: a misspelt `dry_run` must not act."""
        unknown = set(data) - set(self.fields) if isinstance(data, Mapping) else set()
        if unknown:
            raise serializers.ValidationError(
                {str(name): ["there is no such field"] for name in sorted(unknown)}
            )
        return super().to_internal_value(data)


class Row(serializers.ModelSerializer[Any]):
    """A row as it is shown."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DecimalField: MoneyField,
        models.DateTimeField: InstantField,
    }
