"""How values look on the wire: money as decimal strings, instants in UTC, unknown names refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import models
from rest_framework import serializers


def plain(quantity: Decimal) -> str:
    """Write a quantity without exponent or trailing zeros."""
    text = format(quantity, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def jsonable(value: Any) -> Any:
    """Turn facts from rows into JSON values, money and instants as strings."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): jsonable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    return value


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
