-- The lines of settlements, each with the cycle that its account belongs to, and its account if that is open.
CREATE OR REPLACE FUNCTION kimp_lines_v2(settlements jsonb)
RETURNS TABLE (cycle uuid, venue text, asset text, owner text, quantity numeric, of uuid, account bigint)
LANGUAGE sql STABLE AS $$
    SELECT l.cycle, l.venue, l.asset, l.owner, l.quantity, l.of,
           CASE WHEN l.of IS NULL
                THEN (SELECT a.id FROM cycles_account a WHERE a.venue = l.venue AND a.asset = l.asset
                         AND a.owner = l.owner AND a.cycle_id IS NULL)
                ELSE (SELECT a.id FROM cycles_account a WHERE a.venue = l.venue AND a.asset = l.asset
                         AND a.owner = l.owner AND a.cycle_id = l.of) END
      FROM kimp_lines_v1(settlements) l
$$;

-- Writes what calls brought about: outcome, fills, ledger, step and cycle. Where a row names an owner its lease
-- must hold, and where it names a version the cycle must be as it was seen. A row that hands its cycle back does so as
-- kimp_release_v1 does; of one that goes on it is told whose standing to read. Verdicts: DONE, OTHER.
-- A later release that changes what it takes, gives or does adds the next version; workers of this one call this name.
CREATE OR REPLACE FUNCTION kimp_settle_v2(settlements jsonb, lease_seconds integer, is_patient boolean)
RETURNS TABLE (o_cycle uuid, o_verdict text, o_version integer, o_goes_on uuid)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    held uuid[];
    settled uuid[];
BEGIN
    held := kimp_lock_cycles(
        ARRAY(SELECT (r->>'cycle')::uuid FROM jsonb_array_elements(settlements) r), is_patient);
    WITH wanted AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(settlements) AS r(
            cycle uuid, owner text, fence bigint, version integer, call bigint, is_noted boolean,
            duration_ms integer, report jsonb, venue_order_id text)
    ), noted AS (
        UPDATE cycles_exchangecall k
           SET outcome = 'DONE', report = w.report, venue_order_id = w.venue_order_id, is_settled = true,
               noted_at = CASE WHEN w.is_noted THEN statement_timestamp() ELSE k.noted_at END,
               duration_ms = coalesce(w.duration_ms, k.duration_ms)
          FROM wanted w JOIN cycles_cycle c ON c.id = w.cycle
         WHERE k.id = w.call AND c.id = ANY(held) AND k.cycle_id = w.cycle AND NOT k.is_settled
           AND CASE WHEN w.is_noted THEN k.outcome = 'INTENDED' ELSE k.outcome = 'DONE' END
           AND (w.owner IS NULL OR (c.lease_owner = w.owner AND c.fence = w.fence))
           AND (w.version IS NULL OR c.version = w.version)
        RETURNING k.cycle_id
    )
    SELECT array_agg(cycle_id) INTO settled FROM noted;

    INSERT INTO cycles_fill (cycle_id, call_id, venue, market, side, venue_fill_id, price, quantity, notional,
                             fee, fee_asset, at)
    SELECT r.cycle, r.call, r.venue, r.market, r.side, f.venue_fill_id, f.price, f.quantity, f.notional, f.fee,
           f.fee_asset, f.at
      FROM jsonb_to_recordset(settlements) AS r(cycle uuid, call bigint, venue text, market text, side text, fills jsonb),
           jsonb_to_recordset(r.fills) AS f(venue_fill_id text, price numeric, quantity numeric, notional numeric,
                                            fee numeric, fee_asset text, at timestamptz)
     WHERE r.cycle = ANY(settled);

    -- Accounts that are missing open empty; whoever opens one of them at this moment is waited for.
    INSERT INTO cycles_account (venue, asset, owner, cycle_id, balance)
    SELECT DISTINCT l.venue, l.asset, l.owner, l.of, 0
      FROM kimp_lines_v2(settlements) l
     WHERE l.cycle = ANY(settled) AND l.account IS NULL
     ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING;

    WITH posted AS MATERIALIZED (
        INSERT INTO cycles_posting (key, kind, cycle_id, step_id, memo, at, request_id, session_id, trace_id)
        SELECT r.key, r.kind, r.cycle, r.step, '', statement_timestamp(), r.request_id, r.session_id, r.trace_id
          FROM jsonb_to_recordset(settlements) AS r(cycle uuid, key text, kind text, step bigint, lines jsonb,
                                                    request_id text, session_id text, trace_id text)
         WHERE r.cycle = ANY(settled) AND jsonb_array_length(r.lines) > 0
        ON CONFLICT (key) DO NOTHING
        RETURNING id, cycle_id
    )
    INSERT INTO cycles_entry (posting_id, account_id, quantity)
    SELECT p.id, l.account, l.quantity
      FROM kimp_lines_v2(settlements) l JOIN posted p ON p.cycle_id = l.cycle;

    UPDATE cycles_step s
       SET quantity_in = r.given + CASE WHEN r.is_added THEN s.quantity_in ELSE 0 END,
           quantity_out = r.got + CASE WHEN r.is_added THEN s.quantity_out ELSE 0 END,
           state = CASE WHEN r.is_step_done THEN 'DONE' ELSE s.state END,
           started_at = CASE WHEN r.is_step_done THEN coalesce(s.started_at, statement_timestamp())
                             ELSE s.started_at END,
           settled_at = CASE WHEN r.is_step_done THEN statement_timestamp() ELSE s.settled_at END
      FROM jsonb_to_recordset(settlements) AS r(cycle uuid, step bigint, given numeric, got numeric,
                                                is_added boolean, is_step_done boolean)
     WHERE s.id = r.step AND r.cycle = ANY(settled);

    RETURN QUERY
    WITH touched AS (
        UPDATE cycles_cycle c
           SET version = c.version + 1,
               retry_count = CASE WHEN r.is_step_done THEN 0 ELSE c.retry_count END,
               failure_class = CASE WHEN r.is_step_done THEN '' ELSE c.failure_class END,
               failure_reason = CASE WHEN r.is_step_done THEN '' ELSE c.failure_reason END,
               lease_owner = CASE WHEN r.turn = 'BACK' THEN '' ELSE c.lease_owner END,
               lease_expires_at = CASE WHEN r.turn = 'BACK' THEN NULL ELSE c.lease_expires_at END,
               wake_at = CASE WHEN r.turn IS DISTINCT FROM 'BACK'
                                OR c.wake_at > c.lease_expires_at - make_interval(secs => lease_seconds) THEN c.wake_at
                              ELSE statement_timestamp() + make_interval(secs => r.wake_in) END
          FROM jsonb_to_recordset(settlements) AS r(cycle uuid, is_step_done boolean, turn text,
                                                    wake_in double precision)
         WHERE c.id = r.cycle AND c.id = ANY(settled) RETURNING c.id, c.version
    )
    SELECT r.cycle, CASE WHEN t.id IS NULL THEN 'OTHER' ELSE 'DONE' END, t.version::integer,
           CASE WHEN r.turn = 'ON' THEN t.id END
      FROM jsonb_to_recordset(settlements) AS r(cycle uuid, turn text) LEFT JOIN touched t ON t.id = r.cycle;
END $$;
