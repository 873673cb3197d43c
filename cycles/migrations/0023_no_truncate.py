"""Refuse TRUNCATE wherever rows stay for ever: the guards of rows do not see it."""

from django.db import migrations

from cycles.sql import read

UNDO = """
DROP TRIGGER never_emptied ON cycles_desk;
DROP TRIGGER never_emptied ON cycles_legal_transition;
DROP TRIGGER never_emptied ON cycles_policyversion;
DROP TRIGGER never_emptied ON cycles_intervention;
DROP TRIGGER never_emptied ON exchanges_rulechange;
DROP TRIGGER never_emptied ON exchanges_registeredaddress;
DROP TRIGGER never_emptied ON cycles_addressconfirmation;
DROP TRIGGER never_emptied ON exchanges_assetidentity;
DROP TRIGGER never_emptied ON cycles_account;
DROP TRIGGER never_emptied ON cycles_retry;
DROP TRIGGER never_emptied ON cycles_cycle;
DROP TRIGGER never_emptied ON cycles_transition;
DROP TRIGGER never_emptied ON cycles_exchangecall;
DROP TRIGGER never_emptied ON cycles_fill;
DROP TRIGGER never_emptied ON cycles_posting;
DROP TRIGGER never_emptied ON cycles_entry;
DROP FUNCTION kimp_never_emptied();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cycles", "0022_long_names"),
        ("exchanges", "0006_long_names"),
    ]

    operations = [migrations.RunSQL(read("never_emptied"), UNDO)]
