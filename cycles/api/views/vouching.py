"""The address book and the registry of assets: looked at by token or session, vouched for by people only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cycles import selectors
from cycles.api.documents import (
    ACT_ON_VERSION,
    ETAG,
    IF_MATCH,
    READ,
    READ_ONE,
    REPLAYED,
    RETRY_AFTER,
    answers,
    key,
)
from cycles.api.door import ActDoor, Data, Door
from cycles.api.permissions import Need
from cycles.api.preconditions import etag
from cycles.api.serializers.bodies import ReasonBody
from cycles.api.serializers.vouching import (
    AddressSerializer,
    ConfirmAddressBody,
    IdentitySerializer,
    ProveAssetBody,
)
from cycles.domain.words import Verb
from cycles.models import ApiToken
from cycles.services import addressing, identifying
from cycles.services.addressing import Typed
from cycles.services.identifying import Coin
from cycles.services.intervening import PERMISSIONS
from cycles.services.tokens import Scope
from exchanges.models import AssetIdentity, RegisteredAddress

Post = Callable[..., Response]
READ_ADDRESSES = Need(permission="exchanges.view_registeredaddress", scope=Scope.CYCLES_READ)
READ_IDENTITIES = Need(permission="exchanges.view_assetidentity", scope=Scope.CYCLES_READ)
BY_SESSION: list[Any] = [{"session": []}]  # what only people do


def _shows_whole(request: Request) -> bool:
    """Say whether this request may see whole addresses: a session of somebody who may confirm them."""
    user = request.user
    is_token = isinstance(request.auth, ApiToken)
    return isinstance(user, User) and not is_token and addressing.may_see(user)


def _describe(
    verb: str, tag: str, body: type[Any], shown: type[Any], **more: Any
) -> Callable[[Post], Post]:
    """Describe a verb's POST."""
    return extend_schema(
        operation_id=verb,
        tags=[tag],
        request=body,
        parameters=[IF_MATCH, key(required=True), ETAG, REPLAYED, RETRY_AFTER],
        responses=answers({200: shown}, ACT_ON_VERSION),
        **more,
    )


class AddressesView(Door):
    needs = {"GET": READ_ADDRESSES}

    @extend_schema(
        operation_id="addresses_list",
        tags=["addresses"],
        parameters=[RETRY_AFTER],
        responses=answers({200: AddressSerializer(many=True)}, READ),
    )
    def get(self, request: Request) -> Response:
        """List our own deposit addresses: what waits for people first, retired ones last."""
        context = {"is_whole": _shows_whole(request)}
        rows = AddressSerializer(selectors.address_book(), many=True, context=context)
        return Response(rows.data)


class AddressView(Door):
    needs = {"GET": READ_ADDRESSES}

    @extend_schema(
        operation_id="addresses_retrieve",
        tags=["addresses"],
        parameters=[ETAG, RETRY_AFTER],
        responses=answers({200: AddressSerializer}, READ_ONE),
    )
    def get(self, request: Request, code: str) -> Response:
        """Show one address; its ETag is the If-Match of the acts on it."""
        row = selectors.address_by_code(code)
        shown = AddressSerializer(row, context={"is_whole": _shows_whole(request)})
        return Response(shown.data, headers={"ETag": etag(row.version)})


class AddressDoor(ActDoor):
    """One verb on an address, under the version that was seen; the answer shows both ends only."""

    is_versioned = True
    input_class: ClassVar[Any] = ReasonBody

    def act(self, data: Data, **kwargs: str) -> Response:
        """Do the verb and show the address after it."""
        row = selectors.address_by_code(kwargs["code"])
        self.do(row, data)
        after = selectors.address_by_code(row.code)
        return Response(AddressSerializer(after).data, headers={"ETag": etag(after.version)})

    def do(self, row: RegisteredAddress, data: Data) -> None:
        """Call the verb's service."""
        raise NotImplementedError


class ConfirmAddressView(AddressDoor):
    needs = {"POST": Need(permission=PERMISSIONS[Verb.CONFIRM_ADDRESS], scope=None)}
    input_class = ConfirmAddressBody

    @_describe(
        "addresses_confirm", "addresses", ConfirmAddressBody, AddressSerializer, auth=BY_SESSION
    )
    def post(self, request: Request, **kwargs: str) -> Response:
        """Confirm an address as one of two people; by a session only, tokens never confirm."""
        return super().post(request, **kwargs)

    def do(self, row: RegisteredAddress, data: Data) -> None:
        typed = Typed(ends_with=data["ends_with"], memo=data["memo"])
        addressing.confirm(
            row.code,
            actor=self.actor(),
            reason=data["reason"],
            seen_version=self.seen,
            typed=typed,
        )


class RetireAddressView(AddressDoor):
    needs = {"POST": Need(permission=PERMISSIONS[Verb.RETIRE_ADDRESS], scope=Scope.DESK_ACT)}

    @_describe("addresses_retire", "addresses", ReasonBody, AddressSerializer)
    def post(self, request: Request, **kwargs: str) -> Response:
        """End an address: nothing is sent there any more."""
        return super().post(request, **kwargs)

    def do(self, row: RegisteredAddress, data: Data) -> None:
        addressing.retire(
            row.code, actor=self.actor(), reason=data["reason"], seen_version=self.seen
        )


class IdentitiesView(Door):
    needs = {"GET": READ_IDENTITIES}

    @extend_schema(
        operation_id="identities_list",
        tags=["identities"],
        parameters=[RETRY_AFTER],
        responses=answers({200: IdentitySerializer(many=True)}, READ),
    )
    def get(self, request: Request) -> Response:
        """List what each venue's symbols are, per network, and how far that is proven."""
        return Response(IdentitySerializer(selectors.identities(), many=True).data)


class IdentityView(Door):
    needs = {"GET": READ_IDENTITIES}

    @extend_schema(
        operation_id="identities_retrieve",
        tags=["identities"],
        parameters=[ETAG, RETRY_AFTER],
        responses=answers({200: IdentitySerializer}, READ_ONE),
    )
    def get(self, request: Request, **name: str) -> Response:
        """Show one name; its ETag is the If-Match of the acts on it."""
        row = selectors.identity_by_name(**name)
        return Response(IdentitySerializer(row).data, headers={"ETag": etag(row.version)})


class IdentityDoor(ActDoor):
    """One verb on a venue's name, under the version that was seen."""

    is_versioned = True
    input_class: ClassVar[Any] = ReasonBody

    def act(self, data: Data, **kwargs: str) -> Response:
        """Do the verb and show the name after it."""
        self.do(selectors.identity_by_name(**kwargs), data)
        after = selectors.identity_by_name(**kwargs)
        return Response(IdentitySerializer(after).data, headers={"ETag": etag(after.version)})

    def do(self, row: AssetIdentity, data: Data) -> None:
        """Call the verb's service."""
        raise NotImplementedError


class ProveAssetView(IdentityDoor):
    needs = {"POST": Need(permission=PERMISSIONS[Verb.PROVE_ASSET], scope=None)}
    input_class = ProveAssetBody

    @_describe(
        "identities_prove", "identities", ProveAssetBody, IdentitySerializer, auth=BY_SESSION
    )
    def post(self, request: Request, **kwargs: str) -> Response:
        """State what a venue's name is; by a session only, tokens never prove."""
        return super().post(request, **kwargs)

    def do(self, row: AssetIdentity, data: Data) -> None:
        coin = Coin(
            asset=data["asset"].upper(),
            network=data["network"],
            contract=data["contract"],
            decimals=data["decimals"],
        )
        identifying.prove(
            row, actor=self.actor(), reason=data["reason"], seen_version=self.seen, coin=coin
        )


class BlockAssetView(IdentityDoor):
    needs = {"POST": Need(permission=PERMISSIONS[Verb.BLOCK_ASSET], scope=Scope.DESK_ACT)}

    @_describe("identities_block", "identities", ReasonBody, IdentitySerializer)
    def post(self, request: Request, **kwargs: str) -> Response:
        """Stop everything under a venue's name, sales too."""
        return super().post(request, **kwargs)

    def do(self, row: AssetIdentity, data: Data) -> None:
        identifying.block(row, actor=self.actor(), reason=data["reason"], seen_version=self.seen)
