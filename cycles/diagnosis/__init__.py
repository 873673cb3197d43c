"""What must hold before real money moves, one finding a line: the part that knows venues and desk.

It reads through the services and the registry, beside the doors, and decides and changes nothing. The
machine, the database and the composition's settings are looked at by `kimp.diagnosis`, which alone knows
them and puts both parts together; the gateway below has no opinion on what a desk needs.
"""
