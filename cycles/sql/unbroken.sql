-- A server that broke off (killed, or its machine without power) empties this table as it recovers. So does any copy of its
-- files that begins by recovering, be it with no recovery.signal: a snapshot of the storage, and a base backup or a standby,
-- which never have its row.
CREATE UNLOGGED TABLE kimp_unbroken (id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1), mark text NOT NULL);

-- When each host of the desk looked last, on disk before the host keeps the same outside: who lacks it is a copy of before.
CREATE TABLE kimp_seen (witness text PRIMARY KEY, at timestamptz NOT NULL);

-- Marks this place as the desk's home, by a mark of its own; gives the home.
CREATE FUNCTION kimp_settle_home() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kimp_unbroken (mark) VALUES (right(gen_random_uuid()::text, 12))
        ON CONFLICT (id) DO UPDATE SET mark = excluded.mark;
    RETURN kimp_home();
END $$;

-- Makes a server whole that broke off where the desk was at home; for whoever knows that it kept what was committed.
CREATE FUNCTION kimp_make_whole() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kimp_unbroken (mark)
        SELECT right(home, 12) FROM cycles_desk WHERE kimp_home() = left(home, -12) || 'broken'
        ON CONFLICT (id) DO NOTHING;
    RETURN EXISTS (SELECT FROM cycles_desk WHERE home = kimp_home());
END $$;

-- No intent is between its desk's home and this one meanwhile. Who is at home stays there.
SELECT pg_advisory_xact_lock(1802071408);  -- MODE_LOCK of cycles/services/locking.py
INSERT INTO kimp_unbroken (mark) VALUES (right(gen_random_uuid()::text, 12));
UPDATE cycles_desk SET home = home || '-' || (SELECT mark FROM kimp_unbroken) WHERE home = kimp_home();

-- Where this database is, as before, and whether it has run there without a break since the desk was last in step. A server that
-- recovers still, or is a standby, is nobody's home: it takes no writes, as it says to whoever writes.
CREATE OR REPLACE FUNCTION kimp_home() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this server recovers, or is a standby' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN concat_ws('-', (SELECT system_identifier FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'cycles_exchangecall'::regclass::oid,
        coalesce((SELECT mark FROM kimp_unbroken), 'broken'));
END $$;

-- A desk begins at home.
CREATE OR REPLACE FUNCTION kimp_desk_begins_at_home() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.home = '' THEN
        NEW.home := kimp_settle_home();
    END IF;
    RETURN NEW;
END $$;
