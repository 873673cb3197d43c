-- Locks the cycles of a statement, each once, and gives those that it got.
CREATE OR REPLACE FUNCTION kimp_lock_cycles(ids uuid[], is_patient boolean) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    -- What is told of a cycle would be told to both: to who has its lease, and to who has lost it.
    IF cardinality(ids) > (SELECT count(DISTINCT id) FROM unnest(ids) AS id) THEN
        RAISE EXCEPTION 'a cycle stands in a statement once' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    -- In order of id: two groups cannot wait for each other. A group waits for nobody.
    IF is_patient THEN
        RETURN ARRAY(SELECT id FROM cycles_cycle WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE);
    END IF;
    RETURN ARRAY(SELECT id FROM cycles_cycle WHERE id = ANY(ids) ORDER BY id
                   FOR NO KEY UPDATE SKIP LOCKED);
END $$;
