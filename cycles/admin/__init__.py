"""The operators' pages: Django's own admin, read-only, with forms for the verbs.

Importing this package registers nothing (the site is made while the admin loads); see `tables`.
"""

from __future__ import annotations
