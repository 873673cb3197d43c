-- An edge is added by a migration, which says so first: SET LOCAL kimp.adds_edges = 'on'. A restore into an empty
-- database asks no trigger; the superuser can still take one away.
CREATE FUNCTION kimp_edges_are_migrated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% takes edges of migrations only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER by_migration BEFORE INSERT ON cycles_legal_transition FOR EACH ROW
    WHEN (current_setting('kimp.adds_edges', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION kimp_edges_are_migrated();

-- What belongs to a cycle that has ended is empty (`cycle_final_owns_nothing`), and stays so, whosever posting it is.
-- Asked only where an account of a cycle gets something first: others hold something, so their cycle is open. Who
-- ends the cycle at that moment waits, or is waited for.
CREATE FUNCTION kimp_account_of_open_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM cycles_cycle c WHERE c.id = NEW.cycle_id AND c.status NOT IN ('COMPLETED', 'FAILED') FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account %: the cycle has ended', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'account_of_open_cycle';
    END IF;
    RETURN NEW;
END $$;
-- After `kept_by_entries`.
CREATE TRIGGER of_open_cycle BEFORE UPDATE ON cycles_account FOR EACH ROW
    WHEN (NEW.cycle_id IS NOT NULL AND OLD.balance = 0 AND NEW.balance <> 0)
    EXECUTE FUNCTION kimp_account_of_open_cycle();
