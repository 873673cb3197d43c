"""What a list of cycles can be narrowed by; the selector does the narrowing."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cycles.api.fields import InstantField
from cycles.domain.words import CycleKind, CycleStatus, FailureClass


class CycleFilters(serializers.Serializer[Any]):
    """The parameters of a list of cycles."""

    status = serializers.MultipleChoiceField(
        choices=CycleStatus.choices, required=False, help_text="may be given several times"
    )
    kind = serializers.ChoiceField(choices=CycleKind.choices, required=False)
    asset = serializers.CharField(max_length=12, required=False, help_text="out or home")
    venue = serializers.CharField(max_length=16, required=False)
    failure_class = serializers.ChoiceField(choices=FailureClass.choices, required=False)
    is_open = serializers.BooleanField(required=False, allow_null=True, default=None)
    started_from = InstantField(required=False)
    started_before = InstantField(required=False)
    search = serializers.CharField(
        max_length=100,
        required=False,
        help_text="a code or how it begins, a UUID, a client or venue order id, or a txid",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a misspelt filter: it would list everything."""
        paging = {"cursor", "page_size", "format"}
        unknown = set(self.initial_data) - set(self.fields) - paging
        if unknown:
            raise serializers.ValidationError(
                {name: ["there is no such filter"] for name in sorted(unknown)}
            )
        return attrs
