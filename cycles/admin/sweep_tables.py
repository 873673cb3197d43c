"""Where each sweep stands: the next run goes on behind the row that it names."""

from __future__ import annotations

from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from cycles.admin.read_only import ReadOnlyAdmin
from cycles.models import SweepMark
from cycles.services import dead_letters, reconciling

PAGE_OF = {
    dead_letters.SWEEP: "admin:cycles_cycle_change",
    reconciling.SWEEP: "admin:cycles_exchangecall_change",
}


@admin.display(description=_("last looked at"))
def last(mark: SweepMark) -> str | SafeString:
    """Give the row that the sweep looked at last, with the way to its page."""
    try:
        url = reverse(PAGE_OF[mark.sweep], args=[mark.last])
    except (KeyError, NoReverseMatch):  # a release before, or after, has swept something else
        return mark.last
    return format_html('<a href="{}">{}</a>', url, mark.last)


@admin.register(SweepMark)
class SweepMarkAdmin(ReadOnlyAdmin):
    list_display = ("sweep", last)
    ordering = ("sweep",)
