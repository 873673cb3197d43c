"""The parts of the documents that are generated from the code: written by `manage.py document`."""

from __future__ import annotations
