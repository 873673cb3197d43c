"""How tables that stay for ever are searched: by names that an index finds, as the box's help says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin.utils import label_for_field
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _, gettext_lazy

from cycles import selectors
from cycles.admin.read_only import CORRELATION, ReadOnlyAdmin
from cycles.services import sighting
from exchanges import registry

TITLES = {
    **CORRELATION,
    "call": gettext_lazy("client order id"),
    "txid_key": gettext_lazy("transaction id"),
}


class SearchedAdmin(ReadOnlyAdmin):
    """A table that grows. `whole`: columns that a name is compared with; `begun`: with how one begins.

    Each has an index. Where rows are of cycles (`is_of_cycles`) those are looked up first: joined, by OR, no
    index would serve.
    """

    whole: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    is_of_cycles = True

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Say beside the box what it finds."""
        made = super().get_changelist_instance(request)
        made.search_help_text = "; ".join(self._found_by())
        return made

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Show the box."""
        return (*self.whole, *self.begun, "cycle")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Narrow the list to what bears a name."""
        text = search_term.strip()
        return queryset.filter(self.named(text)) if text else queryset, False

    def named(self, text: str) -> Q:
        """Say what bears a name."""
        wanted = Q(pk__in=[])
        for name in self.whole:
            wanted |= self.equal(name, text)
        for name in self.begun:
            wanted |= Q(**{f"{name}__startswith": text})
        if self.is_of_cycles:
            wanted |= Q(cycle__in=selectors.cycles_named(text))
        return wanted

    def equal(self, name: str, text: str) -> Q:
        """Compare a column with a name; its index leaves out rows without one."""
        return Q(**{name: text}) & ~Q(**{name: ""})

    def _found_by(self) -> Iterator[str]:
        """Say what is matched, and how much of it."""
        if self.whole:
            yield _("whole: %(names)s") % {"names": self._titles(self.whole)}
        if self.begun:
            yield _("how it begins: %(names)s") % {"names": self._titles(self.begun)}
        if self.is_of_cycles:
            yield _("a cycle's UUID, or how its code begins")

    def _titles(self, names: Iterable[str]) -> str:
        """Name columns in the reader's language."""
        return ", ".join(
            str(TITLES.get(name) or label_for_field(name, self.model)) for name in names
        )


class SeenAdmin(SearchedAdmin):
    """What a venue showed: its indexes begin with the venue, so it is asked for at each."""

    is_of_cycles = False

    def equal(self, name: str, text: str) -> Q:
        """Compare what a venue calls it, or a transaction's id as ids are compared."""
        told = sighting.txid_key(text) if name == "txid_key" else text
        return Q(**{name: told}, venue__in=registry.VENUES)


class SeriesAdmin(SearchedAdmin):
    """Rows of an asset's series."""

    whole = ("asset",)
    is_of_cycles = False

    def equal(self, name: str, text: str) -> Q:
        """Compare the code as it is kept."""
        return super().equal(name, text.upper())
