"""The desk's mode and its policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cycles.api.documents import (
    ACT_ON_VERSION,
    ETAG,
    IF_MATCH,
    IF_MATCH_TO_LOOSEN,
    READ_ONE,
    REPLAYED,
    RETRY_AFTER,
    answers,
    key,
)
from cycles.api.door import ActDoor, Data
from cycles.api.permissions import Need
from cycles.api.preconditions import etag, seen_version
from cycles.api.serializers.bodies import ModeBody, PolicyBody
from cycles.api.serializers.rows import ModeSerializer, PauseSerializer, PolicySerializer
from cycles.domain.words import Mode, Verb
from cycles.models import Desk, Pause
from cycles.services import desk
from cycles.services.intervening import PERMISSIONS
from cycles.services.tokens import Scope


def shown_mode(row: Desk) -> Mapping[str, Any]:
    """Show a desk with its pauses."""
    pauses = Pause.objects.order_by("scope", "key")
    return {**ModeSerializer(row).data, "pauses": PauseSerializer(pauses, many=True).data}


class ModeView(ActDoor):
    needs = {
        "GET": Need(permission="cycles.view_desk", scope=Scope.CYCLES_READ),
        # Which permission the POST needs depends on the mode that is left; the service knows.
        "POST": Need(permission="cycles.view_desk", scope=Scope.DESK_ACT),
    }
    input_class = ModeBody

    @extend_schema(
        operation_id="mode_retrieve",
        tags=["desk"],
        parameters=[ETAG, RETRY_AFTER],
        responses=answers({200: ModeSerializer}, READ_ONE),
    )
    def get(self, request: Request) -> Response:
        """Show the desk's mode and pauses."""
        current = desk.current()
        return Response(shown_mode(current), headers={"ETag": etag(current.version)})

    @extend_schema(
        operation_id="mode_set",
        tags=["desk"],
        request=ModeBody,
        parameters=[IF_MATCH_TO_LOOSEN, key(required=True), ETAG, REPLAYED, RETRY_AFTER],
        responses=answers({200: ModeSerializer}, ACT_ON_VERSION),
    )
    def post(self, request: Request, **kwargs: str) -> Response:
        """Halt the desk, let it finish only, or let it run.

        To let more happen needs `resume_desk` and If-Match with the version that was seen.
        """
        return super().post(request, **kwargs)

    def act(self, data: Data, **kwargs: str) -> Response:
        """Set the mode."""
        seen = seen_version(self.request) if "If-Match" in self.request.headers else None
        changed = desk.set_mode(
            Mode(data["mode"]), actor=self.actor(), reason=data["reason"], seen_version=seen
        )
        return Response(shown_mode(changed), headers={"ETag": etag(changed.version)})


class PolicyView(ActDoor):
    needs = {
        "GET": Need(permission="cycles.view_policyversion", scope=Scope.CYCLES_READ),
        "POST": Need(permission=PERMISSIONS[Verb.SET_POLICY], scope=Scope.POLICY_WRITE),
    }
    input_class = PolicyBody
    is_versioned = True

    @extend_schema(
        operation_id="policy_retrieve",
        tags=["policy"],
        parameters=[ETAG, RETRY_AFTER],
        responses=answers({200: PolicySerializer}, READ_ONE),
    )
    def get(self, request: Request) -> Response:
        """Show the policy in force; the ETag is its number."""
        policy = desk.current_policy()
        return Response(PolicySerializer(policy).data, headers={"ETag": etag(policy.number)})

    @extend_schema(
        operation_id="policy_set",
        tags=["policy"],
        request=PolicyBody,
        parameters=[IF_MATCH, key(required=True), ETAG, REPLAYED, RETRY_AFTER],
        responses=answers({200: PolicySerializer}, ACT_ON_VERSION),
    )
    def post(self, request: Request, **kwargs: str) -> Response:
        """Put a new version into force with some fields changed; open cycles keep theirs."""
        return super().post(request, **kwargs)

    def act(self, data: Data, **kwargs: str) -> Response:
        """Write the new version."""
        made = desk.set_policy(
            data["changes"], actor=self.actor(), reason=data["reason"], seen_number=self.seen
        )
        return Response(PolicySerializer(made).data, headers={"ETag": etag(made.number)})
