"""What people read about settings comes from the table that is parsed."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from kimp import settings_listing
from kimp.environment_table import TABLE

_PROJECT = Path(__file__).resolve().parents[2]


def test_the_example_file_is_up_to_date() -> None:
    assert (_PROJECT / ".env.example").read_text("utf-8") == settings_listing.example()


def test_the_markdown_table_has_a_row_for_every_setting() -> None:
    rows = settings_listing.markdown().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [setting.name for setting in TABLE]


def test_config_says_where_each_setting_came_from() -> None:
    out = StringIO()
    call_command("config", "--json", stdout=out)
    shown = json.loads(out.getvalue())
    assert shown["KIMP_ENVIRONMENT"] == {"value": "test", "from": "environment"}
    assert shown["KIMP_LEASE_SECONDS"]["from"] == "default"


def test_config_prints_no_secret() -> None:
    out = StringIO()
    call_command("config", stdout=out)
    assert str(settings.SECRET_KEY) not in out.getvalue()
