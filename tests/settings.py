"""Settings of the test suite: the web role in the test environment."""

from __future__ import annotations

import os

os.environ["KIMP_ENVIRONMENT"] = "test"
os.environ["KIMP_ROLE"] = "web"
# Runs side by side share the embedded server, not the database; xdist's workers inherit the name.
os.environ.setdefault("KIMP_TEST_RUN", str(os.getpid()))

from kimp.settings import *  # noqa: F403  the environment must be set first

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed; no real passwords
DATABASES["default"]["TEST"] = {"NAME": f"test_kimp_{os.environ['KIMP_TEST_RUN']}"}  # noqa: F405
