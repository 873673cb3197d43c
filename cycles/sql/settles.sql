-- Whoever says that the desk is at home here says it of a server that has not broken off since, or it would be at home in every
-- copy: code of the release before settles on what `kimp_home()` tells. What was seen before that instant tells nothing any more.
CREATE FUNCTION kimp_desk_settles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.home LIKE '%-broken' THEN
        NEW.home := kimp_settle_home();
    END IF;
    IF NEW.home NOT IN ('', OLD.home) THEN
        NEW.home_settled_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER settles BEFORE UPDATE OF home ON cycles_desk
    FOR EACH ROW EXECUTE FUNCTION kimp_desk_settles();
