-- A posting is one INSERT of all its entries; this checks it as a whole and keeps the balances.
-- A deferred row trigger would be silent in transactions that roll back, and slower.
-- Accounts are looked up by their ids: whatever the tables looked like when a session made its plan, a posting never
-- reads those of others. With || '' no index is searched for an owner.
CREATE OR REPLACE FUNCTION kimp_posting_balances() RETURNS trigger
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    bad record;
    kept bigint[];
BEGIN
    SELECT e.posting_id, a.asset, sum(e.quantity) AS total INTO bad
      FROM new_entries e CROSS JOIN LATERAL (SELECT asset FROM cycles_account WHERE id = e.account_id OFFSET 0) a
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
    kept := ARRAY(
        SELECT a.id FROM (SELECT DISTINCT account_id FROM new_entries ORDER BY 1) e
         CROSS JOIN LATERAL (
             SELECT id FROM cycles_account WHERE id = e.account_id
                AND owner || '' IN ('DESK', 'CYCLE', 'IN_FLIGHT', 'SUSPENSE', 'DUST') FOR NO KEY UPDATE) a);
    UPDATE cycles_account a SET balance = a.balance + s.total
      FROM (SELECT account_id, sum(quantity) AS total FROM new_entries WHERE account_id = ANY(kept) GROUP BY 1) s
     WHERE a.id = s.account_id AND a.id = ANY(kept);
    RETURN NULL;
END $$;
