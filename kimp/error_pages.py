"""Django's pages and mails of unforeseen errors, without what must not be read: they go through the log's redactor.

Also under DEBUG: a page is looked over, and pasted, by more people than those who may know the keys.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.template.defaultfilters import pprint
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from kimp.environment_table import TABLE
from kimp.redaction import MASK, Redactor, is_sensitive

_DECLARED = frozenset(row.name for row in TABLE if row.is_secret)
_TEXTS = ("exception_value", "exception_notes", "unicode_hint", "request_insecure_uri")


class _Shown:
    """What is written for a value: Django prints the objects that it is given."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Filter(SafeExceptionReporterFilter):
    """Masks settings, headers, fields and local variables: by name, by pattern, by the secrets' very values."""

    cleansed_substitute = MASK

    def is_active(self, request: HttpRequest | None) -> bool:
        """Hold under DEBUG too."""
        del request
        return True

    def cleanse_setting(self, key: int | str, value: Any) -> Any:
        """Mask one setting, header or cookie; Django looks into dictionaries and lists through this."""
        if key in _DECLARED or (is_sensitive(key) and value):
            return MASK
        cleansed = super().cleanse_setting(key, value)
        return cleansed if isinstance(cleansed, dict | list | tuple) else _masked(cleansed)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Mask the fields of a form."""
        return _pairs(super().get_post_parameters(request).items())

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> ItemsView[str, Any]:
        """Mask the local variables of a frame."""
        found = super().get_traceback_frame_variables(request, tb_frame)
        return _pairs(found).items()


class Reporter(ExceptionReporter):
    """Masks what Django shows past its filter: the error's own words and those of its causes, and the address."""

    def get_traceback_data(self) -> dict[str, Any]:
        """Give what the pages show."""
        data = super().get_traceback_data()
        clean = _redactor().text
        data |= {name: clean(data[name]) for name in _TEXTS if data.get(name)}
        if "request_GET_items" in data:
            data["request_GET_items"] = _pairs(data["request_GET_items"]).items()
        for frame in data["frames"]:
            if frame.get("exc_cause"):
                frame["exc_cause"] = clean(str(frame["exc_cause"]))
        return data


def _pairs(found: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: MASK if is_sensitive(name) and value else _masked(value) for name, value in found}


def _masked(value: Any) -> Any:
    """Give the value itself where nothing in it is secret, else its words, masked."""
    clean = _redactor().text
    if isinstance(value, str):
        return clean(value)
    try:
        told = repr(value)
    except Exception:  # noqa: BLE001  whatever it is, the page says so: Django's pprint does
        return _Shown(pprint(value))
    return value if clean(told) == told else _Shown(clean(told))


def _redactor() -> Redactor:
    return Redactor(cast("list[str]", settings.LOGGING["secrets"]))
