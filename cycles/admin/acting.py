"""How a form acts: what is denied is told in it, and a form with a key acts once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from cycles.admin.wording import refusal, worded
from cycles.errors import (
    CycleError,
    InvalidInputError,
    PermissionDeniedError,
    StaleDataError,
    StaleVersionError,
)
from cycles.services import idempotency
from cycles.services.idempotency import (
    AnswerUnknownError,
    Begun,
    InFlightError,
    KeyReusedError,
    Remembered,
)
from exchanges.errors import StaleReferenceError

OPEN_ANEW = dict.fromkeys(
    ("required", "invalid", "min_value", "max_value"), gettext_lazy("open the page again")
)
TOLD = {
    InFlightError: gettext_lazy(
        "This form is being carried out at this moment, by a click before this one. "
        "Send it once more in a moment: it acts once only, and you are shown what it did."
    ),
    KeyReusedError: gettext_lazy(
        "This form was carried out before, with other values. Look at what it did then; "
        "if you want both, send it again."
    ),
    AnswerUnknownError: gettext_lazy(
        "This form was sent before, and how that ended is not known. Look whether it was done; "
        "only if it was not, send it again."
    ),
}


class OnceForm(forms.Form):
    """A form without a version that could tell a second click from a second wish: its key does."""

    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4, error_messages=OPEN_ANEW)

    def clean(self) -> dict[str, Any] | None:
        """Give a form that came without its key a new one: it can be sent again."""
        if self.has_error("once"):
            self.renew()
        return super().clean()

    def renew(self) -> None:
        """Give the form, as it was typed, another key."""
        typed = QueryDict(mutable=True)
        typed.update(self.data)
        typed["once"] = str(uuid4())
        self.data = typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How an act ended. `status` 0: it is done, now or (`is_again`) by an earlier click, and `to` shows it."""

    status: int = 0
    to: str = ""
    is_again: bool = False


def acted(form: forms.BaseForm, act: Callable[[], object]) -> int:
    """Run an act: 0 when it is done, else the HTTP status of its error, which the form then tells.

    A stale version goes on to the caller; a lack of rights becomes Django's PermissionDenied.
    """
    try:
        act()
    except StaleVersionError:
        raise
    except PermissionDeniedError as error:
        raise PermissionDenied(refusal(error)) from error
    except CycleError as error:
        _tell(form, error)
        return error.http_status
    except StaleReferenceError as error:
        form.add_error(None, refusal(error))
        return StaleDataError.http_status
    return 0


def _tell(form: forms.BaseForm, error: CycleError) -> None:
    """Tell an error in the form, at the fields that it names where the form has them."""
    fields = error.fields if isinstance(error, InvalidInputError) else {}
    if not fields:
        form.add_error(None, refusal(error))
    for name, texts in fields.items():
        for text in texts:
            if name in form.fields:
                form.add_error(name, worded(text))
            else:
                form.add_error(
                    None, worded(text) if name == NON_FIELD_ERRORS else f"{name}: {worded(text)}"
                )


def acted_once(user: User, form: OnceForm, act: Callable[[], str]) -> Done:
    """Run an act that gives where to go next, under the form's key, or say what it did before.

    What is denied gives the key back. An unforeseen error leaves it taken: its outcome is unknown.
    """
    try:
        begun = idempotency.begin(user, f"form {form.cleaned_data['once']}", _asked(form))
    except (InFlightError, KeyReusedError, AnswerUnknownError) as error:
        if not isinstance(error, InFlightError):
            form.renew()
        form.add_error(None, str(TOLD[type(error)]))
        return Done(status=HTTPStatus.CONFLICT)
    if isinstance(begun, Remembered):
        return Done(to=begun.headers["Location"], is_again=True)
    return _acted(begun, form, act)


def _acted(begun: Begun, form: OnceForm, act: Callable[[], str]) -> Done:
    """Act under a key that is ours, and keep where it led."""
    to: list[str] = []
    try:
        status = acted(form, lambda: to.append(act()))
    except (StaleVersionError, PermissionDenied):
        idempotency.forget(begun)
        raise
    if status:
        idempotency.forget(begun)
        return Done(status=status)
    idempotency.remember(begun, status=HTTPStatus.FOUND, body=None, headers={"Location": to[0]})
    return Done(to=to[0])


def _asked(form: OnceForm) -> str:
    """Give the fingerprint of what a form asks for."""
    given = {name: value for name, value in form.cleaned_data.items() if name != "once"}
    return idempotency.fingerprint(type(form).__name__, *sorted(given.items()))
