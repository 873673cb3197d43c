"""Reads: cycles, dead letters, premia."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ChoiceField, IntegerField, Serializer

from cycles import selectors
from cycles.api.documents import ETAG, PAGING, READ, READ_ONE, RETRY_AFTER, answers
from cycles.api.door import Door
from cycles.api.fields import InstantField
from cycles.api.pagination import MostAtRiskFirst
from cycles.api.permissions import Need
from cycles.api.preconditions import etag
from cycles.api.serializers.rows import (
    CycleDetailSerializer,
    CycleSerializer,
    PremiumSampleSerializer,
    PremiumSeriesSerializer,
)
from cycles.errors import InvalidInputError
from cycles.models import Cycle
from cycles.services.tokens import Scope
from exchanges import registry

READ_CYCLES = Need(permission="cycles.view_cycle", scope=Scope.CYCLES_READ)
READ_PREMIA = Need(permission="cycles.view_premiumsample", scope=Scope.CYCLES_READ)

HOURS_SHOWN = 6
MOST_POINTS = 5000


def page_of(door: Door, rows: QuerySet[Cycle], paging: BasePagination) -> Response:
    """Answer with one page of cycles."""
    page = paging.paginate_queryset(rows, door.request, view=door)
    return paging.get_paginated_response(CycleSerializer(page, many=True).data)


class DeadLettersView(Door):
    needs = {"GET": READ_CYCLES}
    pagination_class = MostAtRiskFirst

    @extend_schema(
        operation_id="dead_letters_list",
        tags=["dead letters"],
        parameters=[*PAGING, RETRY_AFTER],
        responses=answers({200: CycleSerializer(many=True)}, READ),
    )
    def get(self, request: Request) -> Response:
        """List the cycles that wait for a person: most money at risk first, then the oldest."""
        return page_of(self, selectors.dead_letters(), MostAtRiskFirst())


class CycleView(Door):
    needs = {"GET": READ_CYCLES}

    @extend_schema(
        operation_id="cycles_retrieve",
        tags=["cycles"],
        parameters=[ETAG, RETRY_AFTER],
        responses=answers({200: CycleDetailSerializer}, READ_ONE),
    )
    def get(self, request: Request, code: str) -> Response:
        """Show one cycle with what it owns and its timeline; the ETag is its version."""
        cycle = selectors.cycle_by_code(code)
        return Response(CycleDetailSerializer(cycle).data, headers={"ETag": etag(cycle.version)})


class PremiaView(Door):
    needs = {"GET": READ_PREMIA}

    @extend_schema(
        operation_id="premia_latest",
        tags=["premia"],
        parameters=[RETRY_AFTER],
        responses=answers({200: PremiumSampleSerializer(many=True)}, READ),
    )
    def get(self, request: Request) -> Response:
        """Show the newest sample of each asset at each Korean venue."""
        return Response(PremiumSampleSerializer(selectors.latest_samples(), many=True).data)


class SeriesQuery(Serializer[Any]):
    """What a series is asked for."""

    since = InstantField(required=False, help_text=f"{HOURS_SHOWN} hours ago if not given")
    bucket_seconds = IntegerField(min_value=1, max_value=86400, default=60)
    korea_venue = ChoiceField(
        choices=registry.KOREAN_VENUES,
        required=False,
        help_text="the first one that the desk trades at if not given",
    )


class PremiumSeriesView(Door):
    needs = {"GET": READ_PREMIA}

    @extend_schema(
        operation_id="premia_series",
        tags=["premia"],
        parameters=[SeriesQuery, RETRY_AFTER],
        responses=answers({200: PremiumSeriesSerializer}, READ),
    )
    def get(self, request: Request, asset: str) -> Response:
        """Show one asset's premia at a Korean venue over time, averaged over buckets; at most 5000 buckets."""
        asked = SeriesQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        now = timezone.now()
        bucket: int = asked.validated_data["bucket_seconds"]
        since: datetime = asked.validated_data.get("since", now - timedelta(hours=HOURS_SHOWN))
        if (now - since) / timedelta(seconds=bucket) > MOST_POINTS:
            raise InvalidInputError(
                f"that is more than {MOST_POINTS} buckets: take a later `since` or longer buckets"
            )
        korea_venue = asked.validated_data.get("korea_venue", registry.korea_venues()[0])
        points = selectors.premium_series(
            asset.upper(), since, korea_venue=korea_venue, bucket=timedelta(seconds=bucket)
        )
        shown = {
            "asset": asset.upper(),
            "korea_venue": korea_venue,
            "since": since,
            "bucket_seconds": bucket,
            "points": points,
        }
        return Response(PremiumSeriesSerializer(shown).data)
