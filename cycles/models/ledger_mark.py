"""How far the proof of the ledger has read the entries for good, and what they sum to."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from cycles.models.fields import money


class LedgerMark(models.Model):
    """One row: every entry up to `read_to` is in the sums, and none up to there can come any more.

    Entries have their ids before they are committed, so the newest is only `seen_to` at first. Once every transaction
    that had begun to write before `seen_xid` has ended, all up to there are seen, or never will be.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    read_to = models.BigIntegerField(_("read up to"), default=0)
    seen_to = models.BigIntegerField(_("newest seen"), default=0)
    seen_xid = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("ledger mark")
        verbose_name_plural = _("ledger marks")
        constraints = (models.CheckConstraint(name="ledger_mark_is_one", condition=models.Q(id=1)),)

    def __str__(self) -> str:
        return f"entries up to {self.read_to}"


class LedgerSum(models.Model):
    """What the entries of an account sum to, up to the mark; accounts whose entries sum to zero have none.

    So there are rows for what the desk and its open cycles hold, and for what came and went (capital, fees).
    """

    # No reference: its making would lock the accounts of a desk at work.
    account_id = models.BigIntegerField(_("account"), primary_key=True)
    total = money(_("total"))

    class Meta:
        verbose_name = _("ledger sum")
        verbose_name_plural = _("ledger sums")

    def __str__(self) -> str:
        return f"{self.account_id}: {self.total}"
