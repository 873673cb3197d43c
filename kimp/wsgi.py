"""The WSGI application of the web role."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kimp.settings")
os.environ["KIMP_ROLE"] = "web"

application = get_wsgi_application()
