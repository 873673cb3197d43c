"""The list of cycles, and opening one by hand."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cycles import selectors
from cycles.api.documents import ACT, PAGING, READ, REPLAYED, RETRY_AFTER, answers, key
from cycles.api.door import ActDoor, Data
from cycles.api.filters import CycleFilters
from cycles.api.pagination import NewestFirst
from cycles.api.permissions import Need
from cycles.api.preconditions import etag
from cycles.api.serializers.bodies import OpenBody
from cycles.api.serializers.rows import CycleSerializer, OpeningPreviewSerializer
from cycles.api.views.reads import READ_CYCLES, page_of
from cycles.domain.words import CycleKind, Verb
from cycles.models import Cycle
from cycles.services import opening
from cycles.services.intervening import PERMISSIONS
from cycles.services.tokens import Scope


def wanted(query: QueryDict) -> dict[str, Any]:
    """Read the filters of a list; raises ValidationError."""
    asked = CycleFilters(data=query)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


class CyclesView(ActDoor):
    needs = {
        "GET": READ_CYCLES,
        "POST": Need(permission=PERMISSIONS[Verb.OPEN], scope=Scope.DESK_ACT),
    }
    input_class = OpenBody
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="cycles_list",
        tags=["cycles"],
        parameters=[CycleFilters, *PAGING, RETRY_AFTER],
        responses=answers({200: CycleSerializer(many=True)}, READ),
    )
    def get(self, request: Request) -> Response:
        """List cycles, newest first."""
        rows = selectors.cycles(**wanted(request.query_params))
        return page_of(self, rows, NewestFirst())

    @extend_schema(
        operation_id="cycles_open",
        tags=["cycles"],
        request=OpenBody,
        parameters=[key(required=False), REPLAYED, RETRY_AFTER],
        responses=answers({200: OpeningPreviewSerializer, 201: CycleSerializer}, ACT),
    )
    def post(self, request: Request, **kwargs: str) -> Response:
        """Open a cycle by hand, or show what that would mean (`dry_run`, the default).

        Acting needs an Idempotency-Key.
        """
        return super().post(request, **kwargs)

    def is_act(self, data: Data) -> bool:
        """A dry run writes nothing and needs no key."""
        return not data["dry_run"]

    def act(self, data: Data, **kwargs: str) -> Response:
        """Call the opening service."""
        if data["dry_run"]:
            seen = opening.preview_by_hand(
                asset=data["asset"].upper(),
                notional_usdt=data["notional_usdt"],
                korea_venue=data["korea_venue"],
            )
            return Response(OpeningPreviewSerializer(seen).data)
        cycle = self._opened(data)
        headers = {
            "ETag": etag(cycle.version),
            "Location": reverse("api:cycle", kwargs={"code": cycle.code}),
        }
        return Response(CycleSerializer(cycle).data, status=201, headers=headers)

    def _opened(self, data: Data) -> Cycle:
        if data["kind"] == CycleKind.RETURN_ONLY:
            made = opening.open_return_only(
                notional_krw=data["notional_krw"],
                korea_venue=data["korea_venue"],
                actor=self.actor(),
                reason=data["reason"],
            )
        else:
            made = opening.open_by_hand(
                asset=data["asset"].upper(),
                notional_usdt=data["notional_usdt"],
                korea_venue=data["korea_venue"],
                actor=self.actor(),
                reason=data["reason"],
            )
        return selectors.cycle_by_code(made.code)
