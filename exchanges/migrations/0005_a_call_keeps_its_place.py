"""Let a call's own wait be its place in line: a process that comes late, or whose tokens ran out, kept none."""

from django.db import migrations

from exchanges.pacing.sql import read


class Migration(migrations.Migration):
    dependencies = [("exchanges", "0004_address_book_and_identities")]

    operations = [migrations.RunSQL(read("take_tokens"), migrations.RunSQL.noop)]
