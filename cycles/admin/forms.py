"""Forms of the verbs: a reason always, the version that was seen, and the code where there is no way back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _, gettext_lazy

from cycles.admin.acting import OPEN_ANEW, OnceForm
from cycles.admin.wording import refusal
from cycles.domain.words import Mode, PauseScope
from cycles.errors import InvalidInputError
from cycles.models import Cycle
from cycles.services import stating
from cycles.services.addressing import TYPED
from cycles.services.intervening import LONGEST_REASON
from cycles.services.resolving import Received, Resolution, ResolutionOutcome
from exchanges.identity.known import CHAINS

LARGEST = 2**31 - 1  # of an integer column


class SeenField(forms.IntegerField):
    """A number that the page wrote into its form: what a column can hold, or the page is not ours."""

    def __init__(self) -> None:
        super().__init__(
            widget=forms.HiddenInput, min_value=0, max_value=LARGEST, error_messages=OPEN_ANEW
        )


class ReasonForm(forms.Form):
    """What every act asks for."""

    reason = forms.CharField(
        label=gettext_lazy("reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("kept for ever, with your name"),
    )


class VerbForm(ReasonForm):
    """A verb on one cycle, as it was when the form was opened."""

    seen_version = SeenField()

    def __init__(self, *args: Any, cycle: Cycle, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = cycle


class EvidenceForm(VerbForm):
    """An act that cannot be undone: evidence, and the cycle's code typed."""

    evidence = forms.CharField(
        label=gettext_lazy("evidence"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("an order id, a txid, a ticket of the venue"),
    )
    confirmation = forms.CharField(
        label=gettext_lazy("type the cycle's code to confirm"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_confirmation(self) -> str:
        """Compare the typed code."""
        typed = str(self.cleaned_data["confirmation"]).strip().upper()
        if typed != self.cycle.code:
            raise forms.ValidationError(_("type %(code)s") % {"code": self.cycle.code})
        return typed


class WriteOffForm(EvidenceForm):
    """Give everything up."""

    field_order = ("reason", "evidence", "confirmation")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["evidence"].required = False
        self.fields["evidence"].help_text = _(
            "needed if a request has an unknown outcome, or is not in the ledger yet"
        )


class ResolveForm(EvidenceForm):
    """State what happened outside of kimp."""

    outcome = forms.ChoiceField(
        label=gettext_lazy("what happened"),
        choices=ResolutionOutcome.choices,
        widget=forms.RadioSelect,
    )
    received = forms.CharField(
        label=gettext_lazy("what its holdings became"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "upbit KRW 7000000"}),
        help_text=gettext_lazy(
            "only if it was settled by hand. One line each with venue, asset and quantity, as in "
            "upbit KRW 7,000,000 or binance,USDT,4990.5. Empty: they go to the desk as they are"
        ),
    )
    field_order = ("outcome", "received", "evidence", "reason", "confirmation")

    def clean_received(self) -> tuple[Received, ...]:
        """Read the lines."""
        lines = str(self.cleaned_data["received"]).splitlines()
        return tuple(_received(line) for line in lines if line.strip())

    @property
    def resolution(self) -> Resolution:
        """Give the statement; the form must be valid."""
        return Resolution(
            outcome=ResolutionOutcome(self.cleaned_data["outcome"]),
            evidence=self.cleaned_data["evidence"],
            received=self.cleaned_data["received"],
        )


def _received(line: str) -> Received:
    """Read a line as every door reads a part of a statement."""
    try:
        return stating.part_in(line)
    except InvalidInputError as error:
        raise forms.ValidationError(f"{line.strip()[:80]}: {refusal(error)}") from None


class SeenForm(ReasonForm):
    """An act on something as it was when the form was opened."""

    seen_version = SeenField()


class ConfirmAddressForm(SeenForm):
    """Confirm an address by what its venue's own page shows."""

    ends_with = forms.CharField(
        label=gettext_lazy("how the address ends on the venue's own page"),
        min_length=TYPED,
        max_length=128,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "its last six characters or more; log in to the venue, do not copy it from here"
        ),
    )
    memo = forms.CharField(
        label=gettext_lazy("memo on the venue's own page"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("tag or memo, whole; empty if the venue shows none"),
    )
    field_order = ("ends_with", "memo", "reason")


class ProveAssetForm(SeenForm):
    """State what a venue's name is."""

    asset = forms.CharField(
        label=gettext_lazy("asset"), max_length=12, help_text=gettext_lazy("our own code")
    )
    network = forms.ChoiceField(label=gettext_lazy("chain"), choices=sorted(CHAINS.items()))
    contract = forms.CharField(
        label=gettext_lazy("contract"),
        required=False,
        max_length=128,
        help_text=gettext_lazy("from the issuer's own page; empty for the chain's own coin"),
    )
    decimals = forms.IntegerField(label=gettext_lazy("decimals"), min_value=0, max_value=36)
    field_order = ("asset", "network", "contract", "decimals", "reason")


class ModeForm(ReasonForm):
    """Change what the desk may do."""

    mode = forms.ChoiceField(
        label=gettext_lazy("mode"), choices=Mode.choices, widget=forms.HiddenInput
    )
    seen_version = SeenField()


class RedriveAllForm(ReasonForm):
    """Send on all dead letters that were seen."""

    seen_count = SeenField()
    seen_at = forms.CharField(widget=forms.HiddenInput)

    def clean_seen_at(self) -> datetime:
        """Read the instant as the page wrote it, to the microsecond."""
        try:
            return stating.instant_in(self.cleaned_data["seen_at"])
        except InvalidInputError:
            raise forms.ValidationError(_("open the page again")) from None


class PauseForm(OnceForm, ReasonForm):
    """Pause a venue, an asset or a route."""

    scope = forms.ChoiceField(label=gettext_lazy("scope"), choices=PauseScope.choices)
    key = forms.CharField(
        label=gettext_lazy("what"),
        max_length=48,
        widget=forms.TextInput(attrs={"placeholder": "XRP:binance>upbit"}),
        help_text=gettext_lazy("a venue, an asset, or a route as ASSET:from>to"),
    )
    field_order = ("scope", "key", "reason")
