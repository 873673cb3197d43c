"""The verbs on one cycle, each previewed by GET and done by POST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cycles import selectors
from cycles.api.documents import (
    ACT_ON_VERSION,
    ETAG,
    IF_MATCH,
    READ_ONE,
    REPLAYED,
    RETRY_AFTER,
    VERB,
    answers,
    key,
)
from cycles.api.door import ActDoor, Data, Door
from cycles.api.permissions import Need
from cycles.api.preconditions import etag
from cycles.api.serializers.bodies import ReasonBody, ResolveBody, WriteOffBody
from cycles.api.serializers.rows import ActedSerializer, PreviewSerializer
from cycles.api.views.reads import READ_CYCLES
from cycles.domain.words import Verb
from cycles.errors import NotFoundError
from cycles.models import Cycle, Intervention
from cycles.services import intervening, previewing, resolving, stating
from cycles.services.resolving import Resolution, ResolutionOutcome
from cycles.services.tokens import Scope

Post = Callable[..., Response]
PATHS = {  # a verb's word in an address
    "redrive": Verb.REDRIVE,
    "unwind": Verb.UNWIND,
    "resolve": Verb.RESOLVE,
    "write-off": Verb.WRITE_OFF,
    "acknowledge": Verb.ACKNOWLEDGE,
}


def _describe(verb: str, body: type[Any]) -> Callable[[Post], Post]:
    """Describe a verb's POST."""
    return extend_schema(
        operation_id=f"cycles_{verb}",
        tags=["verbs"],
        request=body,
        parameters=[IF_MATCH, key(required=True), ETAG, REPLAYED, RETRY_AFTER],
        responses=answers({200: ActedSerializer}, ACT_ON_VERSION),
    )


class VerbDoor(ActDoor):
    """One verb on one cycle, under the version that was seen."""

    is_versioned = True
    input_class = ReasonBody

    def act(self, data: Data, **kwargs: str) -> Response:
        """Do the verb and show the cycle after it."""
        cycle = selectors.cycle_by_code(kwargs["code"])
        made = self.do(cycle, data)
        made.refresh_from_db()  # its instant is the database's
        after = selectors.cycle_by_code(cycle.code)
        shown = ActedSerializer({"intervention": made, "cycle": after}).data
        return Response(shown, headers={"ETag": etag(after.version)})

    def do(self, cycle: Cycle, data: Data) -> Intervention:
        """Call the verb's service."""
        raise NotImplementedError


def need(verb: Verb) -> dict[str, Need]:
    """Give what a verb's POST needs."""
    return {"POST": Need(permission=intervening.PERMISSIONS[verb], scope=Scope.DLQ_ACT)}


class RedriveView(VerbDoor):
    needs = need(Verb.REDRIVE)

    @_describe("redrive", ReasonBody)
    def post(self, request: Request, **kwargs: str) -> Response:
        """Send a dead letter on where it stopped, with a new retry budget."""
        return super().post(request, **kwargs)

    def do(self, cycle: Cycle, data: Data) -> Intervention:
        return intervening.redrive(
            cycle.pk, actor=self.actor(), reason=data["reason"], seen_version=self.seen
        )


class UnwindView(VerbDoor):
    needs = need(Verb.UNWIND)

    @_describe("unwind", ReasonBody)
    def post(self, request: Request, **kwargs: str) -> Response:
        """Let a dead letter sell its coins back where they are."""
        return super().post(request, **kwargs)

    def do(self, cycle: Cycle, data: Data) -> Intervention:
        return intervening.unwind(
            cycle.pk, actor=self.actor(), reason=data["reason"], seen_version=self.seen
        )


class AcknowledgeView(VerbDoor):
    needs = need(Verb.ACKNOWLEDGE)

    @_describe("acknowledge", ReasonBody)
    def post(self, request: Request, **kwargs: str) -> Response:
        """Take a dead letter on: it is assigned to you."""
        return super().post(request, **kwargs)

    def do(self, cycle: Cycle, data: Data) -> Intervention:
        return intervening.acknowledge(
            cycle.pk, actor=self.actor(), reason=data["reason"], seen_version=self.seen
        )


class ResolveView(VerbDoor):
    needs = need(Verb.RESOLVE)
    input_class = ResolveBody

    @_describe("resolve", ResolveBody)
    def post(self, request: Request, **kwargs: str) -> Response:
        """State what happened outside of kimp, with evidence."""
        return super().post(request, **kwargs)

    def do(self, cycle: Cycle, data: Data) -> Intervention:
        resolution = Resolution(
            outcome=ResolutionOutcome(data["outcome"]),
            evidence=data["evidence"],
            received=tuple(stating.received(**part) for part in data["received"]),
        )
        return resolving.resolve(
            cycle.pk,
            actor=self.actor(),
            reason=data["reason"],
            seen_version=self.seen,
            resolution=resolution,
        )


class WriteOffView(VerbDoor):
    needs = need(Verb.WRITE_OFF)
    input_class = WriteOffBody

    @_describe("write_off", WriteOffBody)
    def post(self, request: Request, **kwargs: str) -> Response:
        """Give up everything the cycle owns; it ends as FAILED."""
        return super().post(request, **kwargs)

    def do(self, cycle: Cycle, data: Data) -> Intervention:
        return resolving.write_off(
            cycle.pk,
            actor=self.actor(),
            reason=data["reason"],
            seen_version=self.seen,
            evidence=data["evidence"],
        )


VIEWS: dict[str, type[VerbDoor]] = {
    "redrive": RedriveView,
    "unwind": UnwindView,
    "resolve": ResolveView,
    "write-off": WriteOffView,
    "acknowledge": AcknowledgeView,
}


class PreviewView(Door):
    needs: ClassVar[dict[str, Need]] = {"GET": READ_CYCLES}

    @extend_schema(
        operation_id="cycles_preview",
        tags=["verbs"],
        parameters=[VERB, ETAG, RETRY_AFTER],
        responses=answers({200: PreviewSerializer}, READ_ONE),
    )
    def get(self, request: Request, code: str, verb: str) -> Response:
        """Show what a verb would do now; its ETag is the If-Match of the act."""
        if verb not in PATHS:
            raise NotFoundError(f"there is no verb {verb!r}: {', '.join(PATHS)}")
        cycle = selectors.cycle_by_code(code)
        seen = previewing.preview(PATHS[verb], cycle.pk)
        return Response(PreviewSerializer(seen).data, headers={"ETag": etag(seen.cycle.version)})
