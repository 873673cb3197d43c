-- A posting is one INSERT of all its entries; this checks it as a whole and keeps the balances.
-- A deferred row trigger would be silent in transactions that roll back, and slower.
CREATE FUNCTION kimp_posting_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    SELECT e.posting_id, a.asset, sum(e.quantity) AS total INTO bad
      FROM new_entries e JOIN cycles_account a ON a.id = e.account_id
     GROUP BY e.posting_id, a.asset HAVING sum(e.quantity) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % does not sum to zero in %: %', bad.posting_id, bad.asset, bad.total
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_sums_to_zero';
    END IF;
    SELECT n.posting_id INTO bad FROM (SELECT posting_id, count(*) AS fresh FROM new_entries GROUP BY 1) n
     WHERE n.fresh <> (SELECT count(*) FROM cycles_entry e WHERE e.posting_id = n.posting_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % is complete already', bad.posting_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'posting_is_one_insert';
    END IF;
    -- Locks in order of id, so that two postings cannot deadlock each other.
    PERFORM 1 FROM cycles_account WHERE id IN (SELECT account_id FROM new_entries)
        AND owner IN ('DESK', 'CYCLE', 'IN_FLIGHT', 'SUSPENSE', 'DUST') ORDER BY id FOR NO KEY UPDATE;
    UPDATE cycles_account a SET balance = a.balance + s.total
      FROM (SELECT account_id, sum(quantity) AS total FROM new_entries GROUP BY 1) s
     WHERE a.id = s.account_id AND a.owner IN ('DESK', 'CYCLE', 'IN_FLIGHT', 'SUSPENSE', 'DUST');
    RETURN NULL;
END $$;
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
