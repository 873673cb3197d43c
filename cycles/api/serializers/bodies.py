"""What the API is told."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from rest_framework import serializers

from cycles.api.fields import Body, MoneyField, Row
from cycles.domain.words import CycleKind, Mode
from cycles.errors import InvalidInputError
from cycles.models import PolicyVersion
from cycles.services import stating
from cycles.services.intervening import LONGEST_REASON
from cycles.services.resolving import ResolutionOutcome
from exchanges import registry

LONGEST_EVIDENCE = 4000


T = TypeVar("T")


def _stated(read: Callable[[T], T], given: T) -> T:
    """Read a part of a statement as every door does; what is wrong with it is told at its field."""
    try:
        return read(given)
    except InvalidInputError as error:
        raise serializers.ValidationError(str(error)) from None


class ReasonBody(Body):
    """Why; it is kept with the intervention."""

    reason = serializers.CharField(max_length=LONGEST_REASON)


class WriteOffBody(ReasonBody):
    evidence = serializers.CharField(max_length=LONGEST_EVIDENCE, default="", allow_blank=True)


class ReceivedBody(Body):
    venue = serializers.CharField(max_length=16)
    asset = serializers.CharField(max_length=12)
    quantity = MoneyField()

    def validate_asset(self, text: str) -> str:
        """Read a code."""
        return _stated(stating.asset_code, text)

    def validate_quantity(self, quantity: Decimal) -> Decimal:
        """Keep it within what the ledger holds."""
        return _stated(stating.bookable_quantity, quantity)


class ResolveBody(ReasonBody):
    """What happened, stated by a person with evidence."""

    outcome = serializers.ChoiceField(choices=ResolutionOutcome.choices)
    evidence = serializers.CharField(max_length=LONGEST_EVIDENCE)
    received = ReceivedBody(
        many=True,
        default=list,
        help_text="for COMPLETED only: what the cycle's holdings became; empty: they go to the desk",
    )


class OpenBody(Body):
    """Open a cycle by hand. Nothing is written unless `dry_run` is false."""

    kind = serializers.ChoiceField(choices=CycleKind.choices, default=CycleKind.ROUND_TRIP)
    asset = serializers.CharField(max_length=12, default="", help_text="for ROUND_TRIP")
    notional_usdt = MoneyField(default=None, allow_null=True, help_text="for ROUND_TRIP")
    notional_krw = MoneyField(default=None, allow_null=True, help_text="for RETURN_ONLY")
    korea_venue = serializers.ChoiceField(
        choices=registry.KOREAN_VENUES,
        default="",
        help_text="the best one if not given; RETURN_ONLY needs it on a desk with several",
    )
    dry_run = serializers.BooleanField(default=True)
    reason = serializers.CharField(
        max_length=LONGEST_REASON, default="", allow_blank=True, help_text="needed to act"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for what the kind and the act need."""
        needed = {
            CycleKind.ROUND_TRIP.value: ("asset", "notional_usdt"),
            CycleKind.RETURN_ONLY.value: ("notional_krw",),
        }[attrs["kind"]]
        if not attrs["dry_run"]:
            needed = (*needed, "reason")
        missing = {name: ["this is needed here"] for name in needed if not attrs[name]}
        if attrs["dry_run"] and attrs["kind"] == CycleKind.RETURN_ONLY:
            missing["dry_run"] = ["RETURN_ONLY has no dry run: it sends home what it is given"]
        if missing:
            raise serializers.ValidationError(missing)
        return attrs


class ModeBody(ReasonBody):
    mode = serializers.ChoiceField(choices=Mode.choices)


class PolicyChangesBody(Row, Body):
    """The fields to change; the others stay as they are."""

    class Meta:
        model = PolicyVersion
        exclude = ("id", "number", "created_at", "created_by", "reason")

    def get_fields(self) -> dict[str, Any]:
        """Make every field optional and none defaulted: what is not named is not changed."""
        fields = super().get_fields()
        for name, made in fields.items():
            made.required = False
            if isinstance(made, serializers.JSONField):
                fields[name] = serializers.ListField(
                    child=serializers.CharField(max_length=16), required=False
                )
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a version that would change nothing."""
        if not attrs:
            raise serializers.ValidationError("name at least one field to change")
        return attrs


class PolicyBody(ReasonBody):
    changes = PolicyChangesBody()
