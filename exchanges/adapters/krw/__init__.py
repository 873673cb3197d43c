"""What the adapters of the Korean venues share; it knows neither of them."""

from __future__ import annotations
