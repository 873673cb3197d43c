-- The proof of the ledger by itself, at a cost that does not grow with the cycles that have ended: the entries up to a
-- mark are summed for good, account by account; only those behind it are read again. Entries never change.

-- Sees the newest entry, to be read up to it later. Nothing is seen anew before all up to the last one is read. An xid
-- that is still to come is another server's, from before a restore.
CREATE FUNCTION kimp_see_entries_v1() RETURNS void LANGUAGE sql AS $$
    -- The newest entry is read by this statement's snapshot, and the xid given after it: whoever had an entry's id by
    -- then had an xid before, for its posting.
    INSERT INTO cycles_ledgermark AS mark (id, read_to, seen_to, seen_xid)
    VALUES (1, 0, coalesce((SELECT id FROM cycles_entry ORDER BY id DESC LIMIT 1), 0),
            pg_current_xact_id()::text::bigint)
        ON CONFLICT (id) DO UPDATE SET seen_to = excluded.seen_to, seen_xid = excluded.seen_xid
     WHERE mark.seen_to <= mark.read_to OR mark.seen_xid > excluded.seen_xid
$$;

-- Adds up to so many more entries to the sums, and moves the mark behind them. False: there are none to be added now.
CREATE FUNCTION kimp_sum_entries_v1(at_most integer) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
DECLARE
    mark cycles_ledgermark;
    up_to bigint;
BEGIN
    SELECT * INTO mark FROM cycles_ledgermark WHERE id = 1 FOR UPDATE;
    IF mark.id IS NULL OR mark.read_to >= mark.seen_to
       OR pg_snapshot_xmin(pg_current_snapshot()) < mark.seen_xid::text::xid8 THEN
        RETURN false;
    END IF;
    SELECT id INTO up_to FROM cycles_entry WHERE id > mark.read_to AND id <= mark.seen_to
     ORDER BY id OFFSET at_most - 1 LIMIT 1;
    up_to := coalesce(up_to, mark.seen_to);
    MERGE INTO cycles_ledgersum AS kept
    USING (SELECT account_id, sum(quantity) AS total FROM cycles_entry
            WHERE id > mark.read_to AND id <= up_to GROUP BY 1 HAVING sum(quantity) <> 0) AS more
       ON kept.account_id = more.account_id
     WHEN MATCHED AND kept.total + more.total = 0 THEN DELETE
     WHEN MATCHED THEN UPDATE SET total = kept.total + more.total
     WHEN NOT MATCHED THEN INSERT (account_id, total) VALUES (more.account_id, more.total);
    UPDATE cycles_ledgermark SET read_to = up_to WHERE id = 1;
    RETURN true;
END $$;

-- What does not add up: assets (without an account), and accounts that hold assets, with what they hold and what their
-- entries sum to. STABLE: all of it is read by one snapshot. Whatever holds something is looked at, with or without
-- entries: `account_of_cycle` has what is a cycle's, and the desk's own accounts are few.
CREATE FUNCTION kimp_ledger_problems_v1()
RETURNS TABLE (o_account bigint, o_venue text, o_asset text, o_owner text, o_balance numeric, o_total numeric)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    mark bigint := coalesce((SELECT read_to FROM cycles_ledgermark WHERE id = 1), 0);
BEGIN
    RETURN QUERY
    WITH total AS MATERIALIZED (
        SELECT s.account_id, sum(s.total) AS total FROM (
            SELECT account_id, k.total FROM cycles_ledgersum k
             UNION ALL SELECT account_id, quantity FROM cycles_entry WHERE id > mark
             UNION ALL SELECT id, 0 FROM cycles_account WHERE cycle_id IS NOT NULL AND NOT balance = 0
             UNION ALL SELECT id, 0 FROM cycles_account WHERE cycle_id IS NULL) s
         GROUP BY 1
    ), account AS MATERIALIZED (
        SELECT t.account_id, t.total, a.* FROM total t
         CROSS JOIN LATERAL (SELECT venue, asset, owner, balance FROM cycles_account WHERE id = t.account_id OFFSET 0) a
    )
    SELECT NULL::bigint, NULL, asset::text, NULL, NULL::numeric, sum(total)
      FROM account GROUP BY asset HAVING sum(total) <> 0
     UNION ALL
    SELECT account_id, venue::text, asset::text, owner::text, balance, total
      FROM account WHERE owner IN ('DESK', 'CYCLE', 'IN_FLIGHT', 'SUSPENSE', 'DUST') AND balance <> total
     ORDER BY 1 NULLS FIRST, 3;
END $$;
