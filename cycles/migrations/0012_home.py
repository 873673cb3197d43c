"""Where the desk was last in step with its venues, and the guard against intents anywhere else."""

from django.conf import settings
from django.db import migrations, models

from cycles.sql import read

UNDO = """
DROP TRIGGER intent_is_at_home ON cycles_exchangecall;
DROP TRIGGER begins_at_home ON cycles_desk;
DROP FUNCTION kimp_intent_is_at_home(), kimp_desk_begins_at_home(), kimp_home();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('cycles', '0011_watches_are_seen'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='intervention',
            name='intervention_verb_known',
        ),
        migrations.AddField(
            model_name='desk',
            name='home',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=80, verbose_name='home'),
        ),
        migrations.AlterField(
            model_name='intervention',
            name='verb',
            field=models.CharField(choices=[('redrive', 'redrive'), ('unwind', 'unwind'), ('resolve', 'resolve'), ('write_off', 'write off'), ('acknowledge', 'acknowledge'), ('open', 'open'), ('halt', 'halt'), ('resume', 'resume'), ('pause', 'pause'), ('unpause', 'unpause'), ('set_policy', 'set policy'), ('confirm_address', 'confirm address'), ('retire_address', 'retire address'), ('prove_asset', 'prove asset'), ('block_asset', 'block asset'), ('catch_up', 'catch up')], max_length=16, verbose_name='verb'),
        ),
        migrations.AddConstraint(
            model_name='intervention',
            constraint=models.CheckConstraint(condition=models.Q(('verb__in', ['redrive', 'unwind', 'resolve', 'write_off', 'acknowledge', 'open', 'halt', 'resume', 'pause', 'unpause', 'set_policy', 'confirm_address', 'retire_address', 'prove_asset', 'block_asset', 'catch_up'])), name='intervention_verb_known'),
        ),
        migrations.RunSQL(read("home"), UNDO),
        # A desk that is upgraded where it runs is at home.
        migrations.RunSQL("UPDATE cycles_desk SET home = kimp_home()", migrations.RunSQL.noop),
    ]
