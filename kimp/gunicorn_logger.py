"""gunicorn's own lines join the one stream: `--logger-class=kimp.gunicorn_logger.Logger`."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger

from kimp import logs


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """Hands everything to the root; requests have their line from the middleware."""

    def setup(self, cfg: Any) -> None:
        """Configure the stream before any application is loaded: the master logs too."""
        super().setup(cfg)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kimp.settings")
        os.environ["KIMP_ROLE"] = "web"
        from django.conf import settings  # noqa: PLC0415  the environment must be set first

        logs.configure(settings.LOGGING)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
