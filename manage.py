#!/usr/bin/env python
"""Django's command-line entry point for kimp."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a management command in the role it belongs to."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kimp.settings")
    from kimp import environment  # noqa: PLC0415  sets the decimal context before anything else

    role = environment.role_of_command(sys.argv)
    if role is not None:
        os.environ["KIMP_ROLE"] = role
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from django.db import OperationalError  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except environment.SettingsError as error:
        sys.exit(str(error))
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"The database does not serve: {error}")


if __name__ == "__main__":
    main()
