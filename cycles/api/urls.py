"""Every address of the API."""

from __future__ import annotations

from django.urls import include, path, re_path

from cycles.api.views import cycles, desk, meta, reads, verbs, vouching

app_name = "api"
NAME = "identities/<str:venue>/<str:symbol>/<str:network>/"

v1 = [
    path("cycles/", cycles.CyclesView.as_view(), name="cycles"),
    path("cycles/<str:code>/", reads.CycleView.as_view(), name="cycle"),
    *(
        path(f"cycles/<str:code>/{word}/", view.as_view(), name=word)
        for word, view in verbs.VIEWS.items()
    ),
    path("cycles/<str:code>/<str:verb>/preview/", verbs.PreviewView.as_view(), name="preview"),
    path("dead-letters/", reads.DeadLettersView.as_view(), name="dead-letters"),
    path("premia/", reads.PremiaView.as_view(), name="premia"),
    path("premia/<str:asset>/", reads.PremiumSeriesView.as_view(), name="premium-series"),
    path("policy/", desk.PolicyView.as_view(), name="policy"),
    path("mode/", desk.ModeView.as_view(), name="mode"),
    path("addresses/", vouching.AddressesView.as_view(), name="addresses"),
    path("addresses/<str:code>/", vouching.AddressView.as_view(), name="address"),
    path(
        "addresses/<str:code>/confirm/",
        vouching.ConfirmAddressView.as_view(),
        name="confirm-address",
    ),
    path(
        "addresses/<str:code>/retire/", vouching.RetireAddressView.as_view(), name="retire-address"
    ),
    path("identities/", vouching.IdentitiesView.as_view(), name="identities"),
    path(f"{NAME}", vouching.IdentityView.as_view(), name="identity"),
    path(f"{NAME}prove/", vouching.ProveAssetView.as_view(), name="prove-asset"),
    path(f"{NAME}block/", vouching.BlockAssetView.as_view(), name="block-asset"),
]
urlpatterns = [
    path("api/v1/", include(v1)),
    path("api/schema/", meta.SchemaView.as_view(), name="schema"),
    path("api/docs/", meta.PageView.as_view(), name="docs"),
    re_path(r"^api/(?P<rest>.*)$", meta.NowhereView.as_view(), name="nowhere"),
]
