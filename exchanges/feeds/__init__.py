"""Books as they change: the venues' WebSockets as one stream of books that are right, or absent.

Pure: `states`, `ladder`, `full`, `diffs`, `korean`, `binance`, `venues`. With sockets and time: the rest.
"""

from __future__ import annotations
