"""Asset identity, pure: what venues call an asset, what is known of it, and how names are translated."""

from __future__ import annotations
