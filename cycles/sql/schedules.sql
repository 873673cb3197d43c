-- The queue reckons a job's next run by the clock of its host. One that ran ahead for a moment would put every job off
-- by as much; so the server's clock bounds it: a job of ours is due again within its period.
CREATE FUNCTION kimp_schedule_is_due_in_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.next_run := least(NEW.next_run, statement_timestamp() + make_interval(mins => NEW.minutes));
    RETURN NEW;
END $$;
CREATE TRIGGER due_in_time BEFORE INSERT OR UPDATE ON django_q_schedule
    FOR EACH ROW WHEN (NEW.name LIKE 'kimp:%' AND NEW.schedule_type = 'I')
    EXECUTE FUNCTION kimp_schedule_is_due_in_time();
