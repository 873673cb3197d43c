-- No edge but the table's; no change of status without its transition row; no final status while
-- the cycle owns anything; no version that stands still or runs back.
CREATE TABLE cycles_legal_transition (
    from_status varchar(32) NOT NULL,
    to_status varchar(32) NOT NULL,
    PRIMARY KEY (from_status, to_status)
);

CREATE FUNCTION kimp_cycle_moves_legally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version < OLD.version OR NEW.fence < OLD.fence THEN
        RAISE EXCEPTION 'cycle %: version and fence only grow', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_version_grows';
    END IF;
    IF NEW.retry_count < OLD.retry_count AND NEW.retry_count <> 0 THEN
        RAISE EXCEPTION 'cycle %: the retry count grows or starts anew', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_retry_count_grows';
    END IF;
    IF NEW.status = OLD.status THEN
        IF OLD.status IN ('COMPLETED', 'FAILED') AND NEW.ended_at IS DISTINCT FROM OLD.ended_at THEN
            RAISE EXCEPTION 'cycle %: the end is written once', OLD.code
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_ends_once';
        END IF;
        RETURN NEW;
    END IF;
    PERFORM 1 FROM cycles_legal_transition t
      WHERE t.from_status = OLD.status AND t.to_status = NEW.status;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'cycle %: % to % is no legal transition', OLD.code, OLD.status, NEW.status
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_moves_legally';
    END IF;
    IF NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'cycle %: a status change raises the version', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_version_grows';
    END IF;
    PERFORM 1 FROM cycles_transition t WHERE t.cycle_id = NEW.id AND t.version = NEW.version
        AND t.from_status = OLD.status AND t.to_status = NEW.status;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'cycle %: no transition row for % to %', OLD.code, OLD.status, NEW.status
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_transition_is_written';
    END IF;
    IF NEW.status IN ('COMPLETED', 'FAILED') THEN
        PERFORM 1 FROM cycles_account a WHERE a.cycle_id = NEW.id AND a.balance <> 0;
        IF FOUND THEN
            RAISE EXCEPTION 'cycle %: % while it still owns something', OLD.code, NEW.status
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_final_owns_nothing';
        END IF;
        PERFORM 1 FROM cycles_exchangecall c
          WHERE c.cycle_id = NEW.id AND (c.outcome IN ('INTENDED', 'UNKNOWN')
            OR (c.outcome = 'DONE' AND NOT c.is_settled AND c.operation <> 'CANCEL_ORDER'));
        IF FOUND THEN
            RAISE EXCEPTION 'cycle %: % with an unresolved call', OLD.code, NEW.status
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_final_has_no_open_call';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_legally BEFORE UPDATE ON cycles_cycle
    FOR EACH ROW EXECUTE FUNCTION kimp_cycle_moves_legally();

-- Nothing is posted to a cycle that has ended: its books are closed.
CREATE FUNCTION kimp_posting_needs_open_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM cycles_cycle c WHERE c.id = NEW.cycle_id AND c.status IN ('COMPLETED', 'FAILED');
    IF FOUND THEN
        RAISE EXCEPTION 'posting %: the cycle has ended', NEW.key
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'posting_needs_open_cycle';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER needs_open_cycle BEFORE INSERT ON cycles_posting
    FOR EACH ROW WHEN (NEW.cycle_id IS NOT NULL) EXECUTE FUNCTION kimp_posting_needs_open_cycle();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_legal_transition
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
