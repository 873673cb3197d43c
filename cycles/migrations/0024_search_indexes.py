"""Look a cycle up by what its venue calls an order, and by a withdrawal's txid, without reading all calls."""

import django.db.models.fields.json
import django.db.models.lookups
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Built beside the desk's work; a call has an entry only once the venue has told the name."""

    atomic = False

    dependencies = [("cycles", "0023_no_truncate")]

    operations = [
        AddIndexConcurrently(
            model_name="exchangecall",
            index=models.Index(
                models.F("venue_order_id"),
                condition=models.Q(("venue_order_id", ""), _negated=True),
                name="call_by_venue_id",
            ),
        ),
        AddIndexConcurrently(
            model_name="exchangecall",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("txid", "report"),
                condition=models.Q(
                    django.db.models.lookups.IsNull(
                        django.db.models.fields.json.KeyTextTransform("txid", "report"), rhs=False
                    )
                ),
                name="call_by_txid",
            ),
        ),
    ]
