"""What the API shows."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cycles.api.fields import InstantField, MoneyField, Row
from cycles.domain.recovery import OptionKind
from cycles.domain.shown import jsonable
from cycles.domain.words import AccountOwner, CallOutcome, Channel, CycleStatus, Operation, Verb
from cycles.models import Cycle, Desk, Intervention, Pause, PolicyVersion, PremiumSample
from cycles.selectors import TimelineKind, timeline
from cycles.services import booking

CYCLE_FIELDS = (
    "code",
    "kind",
    "status",
    "version",
    "is_final",
    "outbound_asset",
    "return_asset",
    "global_venue",
    "korea_venue",
    "policy_number",
    "opening_rule",
    "krw_per_usdt_at_open",
    "krw_per_usd_at_open",
    "notional_usdt",
    "notional_krw",
    "expected_edge_bps",
    "realised_pnl_usdt",
    "realised_pnl_krw",
    "money_at_risk_krw",
    "started_at",
    "ended_at",
    "status_since",
    "wake_at",
    "retry_count",
    "max_retries",
    "last_retry_at",
    "next_retry_at",
    "failure_class",
    "failure_reason",
    "resume_status",
    "plan",
    "assignee",
    "acknowledged_at",
    "session_id",
)


class ProblemErrorSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="JSON pointer into the body, or a parameter's name")
    detail = serializers.CharField()
    code = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """A problem document (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    code = serializers.CharField(help_text="for machines; the list stands in the README")
    errors = ProblemErrorSerializer(many=True)  # type: ignore[assignment]  # a field, not `.errors`
    request_id = serializers.CharField()


class CycleSerializer(Row):
    """One cycle, without its timeline. Quantities in the asset that their name ends in."""

    policy_number = serializers.IntegerField(source="policy.number", read_only=True)
    assignee = serializers.CharField(source="assignee.username", default=None, read_only=True)
    is_final = serializers.BooleanField(read_only=True)

    class Meta:
        model = Cycle
        fields = CYCLE_FIELDS
        read_only_fields = fields


class HoldingSerializer(serializers.Serializer[Any]):
    venue = serializers.CharField()
    asset = serializers.CharField()
    owner = serializers.ChoiceField(choices=AccountOwner.choices)
    quantity = MoneyField()


class TimelineItemSerializer(serializers.Serializer[Any]):
    at = InstantField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in TimelineKind])
    title = serializers.CharField()
    detail = serializers.CharField()
    status = serializers.CharField()
    actor = serializers.CharField()
    facts = serializers.SerializerMethodField()
    request_id = serializers.CharField()
    session_id = serializers.CharField()
    trace_id = serializers.CharField()

    def get_facts(self, item: Any) -> dict[str, Any]:
        """Give the item's facts, money as strings."""
        facts: dict[str, Any] = jsonable(item.facts)
        return facts


class CycleDetailSerializer(CycleSerializer):
    """One cycle with what it owns and everything that happened to it, oldest first."""

    holdings = serializers.SerializerMethodField()
    timeline = serializers.SerializerMethodField()

    class Meta:
        model = Cycle
        fields = (*CYCLE_FIELDS, "holdings", "timeline")
        read_only_fields = fields

    @extend_schema_field(HoldingSerializer(many=True))
    def get_holdings(self, cycle: Cycle) -> list[dict[str, Any]]:
        """Read what the cycle owns."""
        return list(HoldingSerializer(booking.holdings(cycle), many=True).data)

    @extend_schema_field(TimelineItemSerializer(many=True))
    def get_timeline(self, cycle: Cycle) -> list[dict[str, Any]]:
        """Read what happened, oldest first."""
        return list(TimelineItemSerializer(timeline(cycle), many=True).data)


class InterventionSerializer(Row):
    class Meta:
        model = Intervention
        fields = ("verb", "actor", "channel", "reason", "seen_version", "at", "request_id")
        read_only_fields = fields
        extra_kwargs = {"verb": {"choices": Verb.choices}, "channel": {"choices": Channel.choices}}


class ActedSerializer(serializers.Serializer[Any]):
    """What was done, and the cycle after it."""

    intervention = InterventionSerializer()
    cycle = CycleSerializer()


class OpenCallSerializer(serializers.Serializer[Any]):
    client_order_id = serializers.CharField()
    operation = serializers.ChoiceField(choices=Operation.choices)
    venue = serializers.CharField()
    outcome = serializers.ChoiceField(choices=CallOutcome.choices)
    intended_at = InstantField()


class OptionSerializer(serializers.Serializer[Any]):
    """One way on, with its expected result."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in OptionKind])
    is_possible = serializers.BooleanField()
    why_not = serializers.CharField()
    expected_krw = MoneyField(allow_null=True)
    loss_krw = MoneyField(allow_null=True)


class PreviewSerializer(serializers.Serializer[Any]):
    """What a verb would do; nothing is written. Send `version` back as If-Match."""

    verb = serializers.ChoiceField(choices=Verb.choices)
    code = serializers.CharField(source="cycle.code")
    status = serializers.ChoiceField(source="cycle.status", choices=CycleStatus.choices)
    version = serializers.IntegerField(source="cycle.version")
    is_possible = serializers.BooleanField()
    why_not = serializers.CharField()
    status_after = serializers.CharField(help_text="empty: the status stays")
    effects = serializers.ListField(child=serializers.CharField())
    will_not = serializers.ListField(child=serializers.CharField())
    holdings = HoldingSerializer(many=True)
    open_calls = OpenCallSerializer(many=True)
    options = OptionSerializer(many=True)


class OpeningPreviewSerializer(serializers.Serializer[Any]):
    """What opening now would mean; nothing is written."""

    asset = serializers.CharField()
    korea_venue = serializers.CharField()
    notional_usdt = MoneyField()
    edge_bps = MoneyField(allow_null=True)
    expected_krw = MoneyField(allow_null=True)
    krw_per_usdt = MoneyField(allow_null=True)
    objections = serializers.ListField(child=serializers.CharField())


class PremiumSampleSerializer(Row):
    """The newest premia of one asset at one Korean venue, bps, positive if Korea is dearer; null: not measurable."""

    class Meta:
        model = PremiumSample
        exclude = ("id",)


class PremiumPointSerializer(serializers.Serializer[Any]):
    """Means of one bucket, bps."""

    at = InstantField()
    outbound_traded_bps = MoneyField(allow_null=True, decimal_places=4)
    return_traded_bps = MoneyField(allow_null=True, decimal_places=4)
    outbound_official_bps = MoneyField(allow_null=True, decimal_places=4)
    return_official_bps = MoneyField(allow_null=True, decimal_places=4)


class PremiumSeriesSerializer(serializers.Serializer[Any]):
    asset = serializers.CharField()
    korea_venue = serializers.CharField()
    since = InstantField()
    bucket_seconds = serializers.IntegerField()
    points = PremiumPointSerializer(many=True)


class PolicySerializer(Row):
    """One version of the investment policy."""

    class Meta:
        model = PolicyVersion
        exclude = ("id",)


class PauseSerializer(Row):
    class Meta:
        model = Pause
        fields = ("scope", "key", "reason", "created_at")
        read_only_fields = fields


class ModeSerializer(Row):
    """What the desk may do, and what of it is paused."""

    pauses = PauseSerializer(many=True, read_only=True)

    class Meta:
        model = Desk
        fields = (
            "kind",
            "mode",
            "mode_reason",
            "mode_changed_by",
            "mode_changed_at",
            "version",
            "pauses",
        )
        read_only_fields = fields
