"""Composition of the kimp desk: settings, processes, health; nothing imports it.

Importing it sets the decimal context of the main thread and of every thread started later:
60 digits, and a float that meets a Decimal raises instead of rounding quietly.
"""

from __future__ import annotations

import decimal

decimal.DefaultContext.prec = 60
decimal.DefaultContext.traps[decimal.FloatOperation] = True
decimal.setcontext(decimal.DefaultContext.copy())
