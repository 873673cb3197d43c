-- A cycle begins with its way out, or with the KRW that it is to bring home; every other status is reached by an edge
-- (BEGINNINGS in cycles/domain/states.py; a test holds them together).
CREATE FUNCTION kimp_cycle_is_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'cycle %: none begins in %', NEW.code, NEW.status
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_begins_at_a_beginning';
END $$;
CREATE TRIGGER born BEFORE INSERT ON cycles_cycle FOR EACH ROW
    WHEN (NEW.status NOT IN ('STARTED', 'INITIAL_TRADE_COMPLETED'))
    EXECUTE FUNCTION kimp_cycle_is_born();
