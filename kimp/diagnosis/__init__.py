"""`manage.py doctor`: machine, database and composition are looked at here, venues and desk in `cycles.diagnosis`."""
