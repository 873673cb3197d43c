"""A move looks its transition up by the index: by plans of a young desk's it read those of all cycles."""

from django.db import migrations

from cycles.sql import read


class Migration(migrations.Migration):
    dependencies = [("cycles", "0020_postings_read_their_own_accounts")]

    operations = [migrations.RunSQL(read("moves_by_index"), migrations.RunSQL.noop)]
