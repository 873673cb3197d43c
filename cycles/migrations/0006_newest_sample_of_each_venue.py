"""Find the newest sample of each asset at each Korean venue without reading all that were ever taken."""

import django.db.models
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """Built beside the desk's work; the index by asset alone goes once the new one stands."""

    atomic = False

    dependencies = [("cycles", "0005_max_book_jump")]

    operations = [
        AddIndexConcurrently(
            model_name="premiumsample",
            index=django.db.models.Index(
                django.db.models.F("asset"),
                django.db.models.F("korea_venue"),
                django.db.models.F("at").desc(),
                name="sample_newest",
            ),
        ),
        RemoveIndexConcurrently(model_name="premiumsample", name="sample_latest"),
    ]
