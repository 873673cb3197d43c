-- Where this database is: the cluster, its timeline, the database and the journal's table. A restored dump, a
-- recovery to a point in time and a promoted standby all are somewhere else, and may have forgotten sends. A copy of the
-- server's files that starts without recovery.signal is not: unbroken.sql adds the mark that it lacks.
CREATE FUNCTION kimp_home() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT concat_ws('-', (pg_control_system()).system_identifier,
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'cycles_exchangecall'::regclass::oid)
$$;

-- A desk begins at home.
CREATE FUNCTION kimp_desk_begins_at_home() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.home = '' THEN
        NEW.home := kimp_home();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER begins_at_home BEFORE INSERT ON cycles_desk
    FOR EACH ROW EXECUTE FUNCTION kimp_desk_begins_at_home();

-- Away from home nothing is intended, whoever asks: what was sent since the backup is not known here. What a
-- venue did already may be written: it is how the desk catches up.
CREATE FUNCTION kimp_intent_is_at_home() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM cycles_desk d WHERE d.home <> kimp_home();
    IF FOUND THEN
        RAISE EXCEPTION 'intent %: this database was restored and has not caught up', NEW.client_order_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'call_intended_at_home';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER intent_is_at_home BEFORE INSERT ON cycles_exchangecall
    FOR EACH ROW WHEN (NEW.outcome = 'INTENDED') EXECUTE FUNCTION kimp_intent_is_at_home();
