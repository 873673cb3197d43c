-- What checks a posting as a whole is posting_balances.sql.
CREATE TRIGGER posting_balances AFTER INSERT ON cycles_entry
    REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION kimp_posting_balances();

-- Balances move by entries only, and an account stays what it is.
CREATE FUNCTION kimp_account_kept_by_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.venue, NEW.asset, NEW.owner, NEW.cycle_id)
       IS DISTINCT FROM (OLD.venue, OLD.asset, OLD.owner, OLD.cycle_id) THEN
        RAISE EXCEPTION 'an account stays what it is'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'account_identity';
    END IF;
    IF NEW.balance <> OLD.balance AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'a balance moves by entries only'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'account_kept_by_entries';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER kept_by_entries BEFORE UPDATE ON cycles_account
    FOR EACH ROW EXECUTE FUNCTION kimp_account_kept_by_entries();
CREATE FUNCTION kimp_account_opens_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.balance <> 0 THEN
        RAISE EXCEPTION 'an account opens empty'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'account_opens_empty';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER opens_empty BEFORE INSERT ON cycles_account
    FOR EACH ROW EXECUTE FUNCTION kimp_account_opens_empty();
CREATE TRIGGER no_delete BEFORE DELETE ON cycles_account
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
