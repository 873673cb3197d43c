"""The policy's form: its columns in groups, filled with the version in force; saving makes the next."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from cycles.admin.acting import acted
from cycles.admin.desk_verbs import WRONG_INPUT, shown
from cycles.admin.forms import SeenField
from cycles.admin.navigation import Page, demand
from cycles.admin.verbs import actor_of
from cycles.admin.wording import refusal
from cycles.domain.words import Verb
from cycles.errors import NotFoundError, StaleVersionError
from cycles.models import PolicyVersion
from cycles.services import desk
from cycles.services.intervening import PERMISSIONS

CONFLICT = 409

GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (gettext_lazy("Size"), ("sizing", "notional_usdt", "percentage")),
    (
        gettext_lazy("Limits"),
        (
            "max_open_cycles",
            "max_open_cycles_per_asset",
            "max_exposure_usdt",
            "max_exposure_per_asset_usdt",
            "daily_loss_limit_usdt",
            "auto_recovery_loss_limit_usdt",
            "approval_threshold_krw",
        ),
    ),
    (gettext_lazy("What may travel"), ("allowed_assets", "allowed_networks")),
    (
        gettext_lazy("When to open, when to come back"),
        (
            "opening_rule",
            "min_open_edge_bps",
            "min_rebalance_edge_bps",
            "band_open_premium_bps",
            "max_slippage_bps",
            "longest_wait_seconds",
        ),
    ),
    (
        gettext_lazy("Data"),
        (
            "max_book_age_seconds",
            "max_book_jump_bps",
            "max_fx_age_seconds",
            "max_fx_disagreement_bps",
        ),
    ),
    (
        gettext_lazy("Retries"),
        (
            "calm_base_seconds",
            "calm_cap_seconds",
            "calm_attempts",
            "urgent_base_seconds",
            "urgent_cap_seconds",
            "urgent_attempts",
        ),
    ),
)

NOT_ENFORCED = gettext_lazy(
    "Nothing enforces this yet: whatever the sum, one person acts alone, within their group."
)

if TYPE_CHECKING:
    Base = forms.ModelForm[PolicyVersion]
else:  # generic to the type checker only
    Base = forms.ModelForm


class NamesField(forms.Field):
    """Names separated by commas; a list in rows."""

    def prepare_value(self, value: Any) -> Any:
        """Write a list as people do."""
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        """Read names in capitals, each once, in their order."""
        if isinstance(value, list):
            return value
        names = (part.strip().upper() for part in str(value or "").split(","))
        return list(dict.fromkeys(name for name in names if name))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the names, not how they are written."""
        return self.to_python(initial) != self.to_python(data)


class PolicyForm(Base):
    """The next version of the policy, filled with the one in force."""

    seen_number = SeenField()
    allowed_assets = NamesField(label=gettext_lazy("allowed assets"))
    allowed_networks = NamesField(
        label=gettext_lazy("allowed networks"),
        required=False,
        help_text=gettext_lazy("empty: the registered routes"),
    )

    class Meta:
        model = PolicyVersion
        fields = (*(name for _title, names in GROUPS for name in names), "reason")
        widgets = {"reason": forms.Textarea(attrs={"rows": 3})}
        help_texts = {"approval_threshold_krw": NOT_ENFORCED}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.update(reason="", seen_number=self.instance.number)
        for name, value in self.initial.items():
            if isinstance(value, Decimal):  # places that nobody would type are not shown
                self.initial[name] = _without_idle_zeros(value)

    def _post_clean(self) -> None:
        """Leave the row to the service, which makes the whole new version and says which field is wrong.

        Django would check the constraints here, of which one stands for many fields and names none.
        """

    @property
    def changes(self) -> dict[str, object]:
        """Give the columns that differ from the version in force."""
        own = {"reason", "seen_number"}
        return {n: self.cleaned_data[n] for n in self.changed_data if n not in own}


def _without_idle_zeros(value: Decimal) -> Decimal:
    """Give the same number with as few places as it needs, and no exponent."""
    whole = value.quantize(Decimal(1))
    return whole if whole == value else value.normalize()


def view(request: HttpRequest) -> HttpResponse:
    """Write the next version of the policy; another version in between answers 409."""
    user = demand(request, PERMISSIONS[Verb.SET_POLICY])
    try:
        present = desk.current_policy()
    except NotFoundError as error:
        raise Http404(refusal(error)) from None
    form = PolicyForm(request.POST or None, instance=present)
    newer: list[PolicyVersion] = []
    status = 0
    if request.method == "POST" and form.is_valid() and _is_changed(form):
        try:
            status = acted(form, lambda: _set(form, user))
        except StaleVersionError:
            newer = _take_note(form, request.POST)
            status = CONFLICT if newer else WRONG_INPUT
        if not status:
            messages.success(request, _("A new version of the policy is in force."))
            return HttpResponseRedirect(reverse("admin:cycles_policyversion_changelist"))
    facts = {
        "title": _("Policy: a new version"),
        "effects": [_("It holds for cycles that open from now on.")],
        "will_not": [_("Open cycles keep the version they were opened under.")],
        "groups": [(title, [form[name] for name in names]) for title, names in GROUPS],
        "newer": newer,
        "present": desk.current_policy(),
    }
    return shown(request, "admin/cycles/policy_form.html", form, facts, status=status)


def _is_changed(form: PolicyForm) -> bool:
    """Say whether there is anything to save; tell the form if not."""
    if not form.changes:
        form.add_error(None, _("nothing was changed"))
    return bool(form.changes)


def _set(form: PolicyForm, user: User) -> PolicyVersion:
    """Hand the changes to the service."""
    given = form.cleaned_data
    return desk.set_policy(
        form.changes,
        actor=actor_of(user),
        reason=given["reason"],
        seen_number=given["seen_number"],
    )


def _take_note(form: PolicyForm, typed: QueryDict) -> list[PolicyVersion]:
    """Give the versions that came in between; the form, as typed, has seen them now.

    None: the form has seen a version that there is not, and never was shown.
    """
    newer = PolicyVersion.objects.filter(number__gt=form.cleaned_data["seen_number"])
    found = list(newer.order_by("-number"))
    if not found:
        form.add_error(None, _("open the page again"))
        return []
    form.add_error(None, _("another version came in between: look at it, then save again"))
    form.data = {**typed.dict(), "seen_number": str(found[0].number)}
    return found


PAGES = (Page(route="desk/policy/", name="desk_policy", view=view),)
