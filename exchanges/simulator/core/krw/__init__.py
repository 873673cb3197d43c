"""What the simulated Korean venues share: JWTs, parameters, orders in won, books, wallets."""

from __future__ import annotations
