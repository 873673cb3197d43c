"""Settings of the test suite: the web role in the test environment."""

from __future__ import annotations

import os

os.environ["KIMP_ENVIRONMENT"] = "test"
os.environ["KIMP_ROLE"] = "web"

from kimp.settings import *  # noqa: F403  the environment must be set first

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed; no real passwords
