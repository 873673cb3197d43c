-- Which status a retry goes back to is the cycle's own: where it stopped. The table of edges cannot know it; here the
-- status is stored as it was left, stays as it is while the cycle waits, and is the only one that it goes on in.
CREATE FUNCTION kimp_cycle_resumes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'RETRY_PENDING' AND NEW.status NOT IN (OLD.status, OLD.resume_status, 'DEAD_LETTER', 'FAILED') THEN
        RAISE EXCEPTION 'cycle %: it stopped in %, and does not go on in %', OLD.code, OLD.resume_status, NEW.status
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_resumes_where_it_stopped';
    END IF;
    IF NEW.status IN ('RETRY_PENDING', 'DEAD_LETTER') AND NEW.resume_status <>
            (CASE WHEN OLD.status IN ('RETRY_PENDING', 'DEAD_LETTER') THEN OLD.resume_status ELSE OLD.status END) THEN
        RAISE EXCEPTION 'cycle %: it stopped elsewhere than in %', OLD.code, NEW.resume_status
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'cycle_stores_where_it_stopped';
    END IF;
    RETURN NEW;
END $$;
-- Asked after `moves_legally`, which knows the edges, and only where one of the two changes.
CREATE TRIGGER resumes BEFORE UPDATE ON cycles_cycle FOR EACH ROW
    WHEN ((NEW.status, NEW.resume_status) IS DISTINCT FROM (OLD.status, OLD.resume_status))
    EXECUTE FUNCTION kimp_cycle_resumes();
