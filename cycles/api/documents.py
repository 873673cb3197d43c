"""How views describe themselves in the OpenAPI document: headers and problem answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from cycles.api.once import KEY_HEADER, REPLAYED_HEADER
from cycles.api.problems import MEDIA_TYPE
from cycles.api.serializers.rows import ProblemSerializer
from cycles.services.tokens import Scope

SESSION_COOKIE = "sessionid"  # Django's own name
MEANINGS = {
    400: "Something is missing or malformed; `errors` names it.",
    401: "No valid login.",
    403: "The user's permission or the token's scope is missing.",
    404: "There is no such thing.",
    405: "The method does not exist here.",
    406: "No representation as asked.",
    409: "Not possible in the present state, or the first request under the key still runs.",
    412: "It has changed since the version in If-Match; read it again.",
    415: "Only application/json is read.",
    422: "The Idempotency-Key was used for another request.",
    428: "If-Match is missing.",
    429: "Too many requests; wait as long as Retry-After says.",
    503: "A lock or a price could not be had in time; try again.",
}
READ = (400, 401, 403, 406, 429, 503)
READ_ONE = (*READ, 404)
ACT = (400, 401, 403, 404, 406, 409, 415, 422, 429, 503)
ACT_ON_VERSION = (*ACT, 412, 428)

IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description='The version that was seen, in quotes, as the ETag gave it: `"7"`.',
)
IF_MATCH_TO_LOOSEN = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The version of the desk that was seen, in quotes; needed to let more happen.",
)
ETAG = OpenApiParameter(
    "ETag", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200], description="The version."
)
REPLAYED = OpenApiParameter(
    REPLAYED_HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="`true` when this answer was given before.",
)
RETRY_AFTER = OpenApiParameter(
    "Retry-After",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    response=[409, 429, 503],
    description="Seconds to wait.",
)

PAGING = [
    OpenApiParameter(
        "cursor", OpenApiTypes.STR, description="Where the page begins: follow `next`."
    ),
    OpenApiParameter("page_size", OpenApiTypes.INT, description="50 if not given, at most 200."),
]
VERB = OpenApiParameter(
    "verb",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    enum=["redrive", "unwind", "resolve", "write-off", "acknowledge"],
)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How a token is sent."""

    target_class = "cycles.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe the header and the scopes."""
        scopes = ", ".join(f"`{scope.value}`" for scope in Scope)
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "kimp_<prefix>_<secret>",
            "description": f"A token from `manage.py api_token issue`. Scopes: {scopes}.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How the admin's session is sent."""

    target_class = "cycles.api.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe the cookie."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": SESSION_COOKIE,
            "description": "A member of staff logged in to the admin; POST needs X-CSRFToken.",
        }


def key(*, required: bool) -> OpenApiParameter:
    """Describe the Idempotency-Key header."""
    return OpenApiParameter(
        KEY_HEADER,
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description="A key of yours, kept for 72 hours: the same request under it acts once.",
    )


def answers(good: dict[int, Any], problems: tuple[int, ...]) -> dict[Any, Any]:
    """Give the responses of an operation: the good ones and the documented problems."""
    bad = {
        (status, MEDIA_TYPE): OpenApiResponse(ProblemSerializer, description=MEANINGS[status])
        for status in sorted(problems)
    }
    return {**good, **bad}
