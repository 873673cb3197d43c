"""Let the policy say how far a book may lie from what is known."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    """A column with a default in the database: the release before may go on writing versions."""

    dependencies = [("cycles", "0004_index_ended_cycles")]

    operations = [
        migrations.AddField(
            model_name="policyversion",
            name="max_book_jump_bps",
            field=models.DecimalField(
                db_default=Decimal(10000),
                decimal_places=4,
                default=Decimal(10000),
                help_text="10,000: twice as much, or half",
                max_digits=12,
                verbose_name="book's distance from known prices at most, bps",
            ),
        ),
    ]
