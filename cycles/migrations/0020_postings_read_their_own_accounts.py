"""A posting, and where a cycle stands, look their accounts up: by plans of a young desk's they read those of all cycles."""

from django.db import migrations

from cycles.sql import read


class Migration(migrations.Migration):
    dependencies = [("cycles", "0019_settled_and_seen_at_once")]

    # Replaced where they stand: what they do is the same, for workers of the release before as well.
    operations = [
        migrations.RunSQL(read("posting_balances"), migrations.RunSQL.noop),
        migrations.RunSQL(read("settle_v2"), migrations.RunSQL.noop),
        migrations.RunSQL(read("standing_v3"), migrations.RunSQL.noop),
    ]
