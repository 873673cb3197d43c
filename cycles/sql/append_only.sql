-- Rows that are written once. The superuser can still drop a trigger; a stray update() cannot pass.
CREATE FUNCTION kimp_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_transition
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_fill
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_retry
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_intervention
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_posting
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_entry
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_policyversion
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER no_delete BEFORE DELETE ON cycles_cycle
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
CREATE TRIGGER no_delete BEFORE DELETE ON cycles_exchangecall
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();

-- A journal row: what was asked never changes, and its outcome is written once
-- (INTENDED and UNKNOWN are not outcomes yet).
CREATE FUNCTION kimp_call_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.cycle_id, NEW.step_id, NEW.operation, NEW.venue, NEW.attempt, NEW.client_order_id,
        NEW.fingerprint, NEW.request, NEW.intended_at, NEW.destination_id, NEW.fence)
       IS DISTINCT FROM
       (OLD.cycle_id, OLD.step_id, OLD.operation, OLD.venue, OLD.attempt, OLD.client_order_id,
        OLD.fingerprint, OLD.request, OLD.intended_at, OLD.destination_id, OLD.fence) THEN
        RAISE EXCEPTION 'exchange call %: the request is written once', OLD.client_order_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'call_request_once';
    END IF;
    IF OLD.outcome NOT IN ('INTENDED', 'UNKNOWN') AND NEW.outcome <> OLD.outcome THEN
        RAISE EXCEPTION 'exchange call %: outcome % is final', OLD.client_order_id, OLD.outcome
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'call_outcome_once';
    END IF;
    IF NEW.outcome = 'INTENDED' AND OLD.outcome <> 'INTENDED' THEN
        RAISE EXCEPTION 'exchange call %: an outcome cannot be forgotten', OLD.client_order_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'call_outcome_once';
    END IF;
    IF OLD.is_settled AND NOT NEW.is_settled THEN
        RAISE EXCEPTION 'exchange call %: settled is for ever', OLD.client_order_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'call_settled_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER written_once BEFORE UPDATE ON cycles_exchangecall
    FOR EACH ROW EXECUTE FUNCTION kimp_call_written_once();

-- What a database is, SIMULATED or LIVE, it is for ever.
CREATE FUNCTION kimp_desk_kind_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.kind <> OLD.kind THEN
        RAISE EXCEPTION 'this database is % for ever', OLD.kind
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'desk_kind_for_ever';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER kind_for_ever BEFORE UPDATE OR DELETE ON cycles_desk
    FOR EACH ROW EXECUTE FUNCTION kimp_desk_kind_for_ever();
