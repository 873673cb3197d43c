-- The two statements of a durable step, each for one cycle or for many at once. The rows come as a JSON array; every
-- row has a verdict of its own, and only those that say DONE have written anything.
--
-- What the planner guesses of a JSON array is no ground for reading whole tables: joins go by the indexes.
-- A later release changes a function by adding the next version; workers of this one call these names.

-- Writes intents, under each row's lease and the desk's mode. Verdicts: DONE, HALTED, LOST, BUSY.
CREATE FUNCTION kimp_intend_v1(mode_lock bigint, intents jsonb, is_patient boolean)
RETURNS TABLE (o_cycle uuid, o_verdict text, o_detail text, o_call bigint, o_lease_left interval,
               o_started_at timestamptz, o_reference_price numeric)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    held uuid[];
    reason text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(mode_lock);
    SELECT mode_reason INTO reason FROM cycles_desk WHERE id = 1 AND mode = 'HALT';
    IF FOUND THEN
        RETURN QUERY SELECT (r->>'cycle')::uuid, 'HALTED', reason, NULL::bigint, NULL::interval,
                            NULL::timestamptz, NULL::numeric
                       FROM jsonb_array_elements(intents) r;
        RETURN;
    END IF;
    held := kimp_lock_cycles(ARRAY(SELECT (r->>'cycle')::uuid FROM jsonb_array_elements(intents) r), is_patient);
    RETURN QUERY
    WITH wanted AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(intents) AS r(
            cycle uuid, owner text, fence bigint, step bigint, operation text, venue text, attempt smallint,
            client_order_id text, fingerprint text, request jsonb, destination bigint, price numeric,
            request_id text, session_id text, trace_id text)
    ), mine AS MATERIALIZED (
        SELECT w.* FROM wanted w JOIN cycles_cycle c ON c.id = w.cycle
         WHERE c.id = ANY(held) AND c.fence = w.fence AND c.lease_owner = w.owner
    ), touched AS (
        UPDATE cycles_cycle c SET version = c.version + 1 FROM mine m WHERE c.id = m.cycle
        RETURNING c.id, c.lease_expires_at - clock_timestamp() AS lease_left
    ), stepped AS (
        UPDATE cycles_step s SET attempt = m.attempt, state = 'RUNNING',
               started_at = coalesce(s.started_at, statement_timestamp()),
               reference_price = coalesce(s.reference_price, m.price)
          FROM mine m WHERE s.id = m.step RETURNING s.cycle_id, s.started_at, s.reference_price
    ), called AS (
        INSERT INTO cycles_exchangecall (cycle_id, step_id, operation, venue, attempt, client_order_id, outcome,
               fence, fingerprint, request, destination_id, venue_order_id, refusal_reason, error, intended_at,
               is_settled, request_id, session_id, trace_id)
        SELECT m.cycle, m.step, m.operation, m.venue, m.attempt, m.client_order_id, 'INTENDED', m.fence,
               m.fingerprint, m.request, m.destination, '', '', '', statement_timestamp(), false, m.request_id,
               m.session_id, m.trace_id
          FROM mine m RETURNING id, cycle_id
    )
    SELECT w.cycle,
           CASE WHEN k.id IS NOT NULL THEN 'DONE' WHEN w.cycle = ANY(held) THEN 'LOST' ELSE 'BUSY' END,
           '', k.id::bigint, t.lease_left, s.started_at, s.reference_price
      FROM wanted w LEFT JOIN called k ON k.cycle_id = w.cycle LEFT JOIN touched t ON t.id = w.cycle
      LEFT JOIN stepped s ON s.cycle_id = w.cycle;
END $$;

-- The account of a place, if it is open; `of` is the cycle that it belongs to, or none.
CREATE FUNCTION kimp_account_v1(of_venue text, of_asset text, of_owner text, of uuid) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF of IS NULL THEN
        RETURN (SELECT id FROM cycles_account WHERE venue = of_venue AND asset = of_asset AND owner = of_owner
                   AND cycle_id IS NULL);
    END IF;
    RETURN (SELECT id FROM cycles_account WHERE venue = of_venue AND asset = of_asset AND owner = of_owner
               AND cycle_id = of);
END $$;

-- The lines of settlements, each with the cycle that its account belongs to.
CREATE FUNCTION kimp_lines_v1(settlements jsonb)
RETURNS TABLE (cycle uuid, venue text, asset text, owner text, quantity numeric, of uuid) LANGUAGE sql IMMUTABLE AS $$
    SELECT r.cycle, l.venue, l.asset, l.owner, l.quantity,
           CASE WHEN l.owner IN ('CYCLE', 'IN_FLIGHT', 'SUSPENSE') THEN r.cycle END
      FROM jsonb_to_recordset(settlements) AS r(cycle uuid, lines jsonb),
           jsonb_to_recordset(r.lines) AS l(venue text, asset text, owner text, quantity numeric)
$$;

-- Writes what calls brought about: outcome, fills, ledger, step and cycle. Where a row names an owner its lease
-- must hold, and where it names a version the cycle must be as it was seen. Verdicts: DONE, OTHER.
CREATE FUNCTION kimp_settle_v1(settlements jsonb, is_patient boolean)
RETURNS TABLE (o_cycle uuid, o_verdict text, o_version integer)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
      FROM kimp_lines_v1(settlements) l
     WHERE l.cycle = ANY(settled) AND kimp_account_v1(l.venue, l.asset, l.owner, l.of) IS NULL
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
    SELECT p.id, kimp_account_v1(l.venue, l.asset, l.owner, l.of), l.quantity
      FROM kimp_lines_v1(settlements) l JOIN posted p ON p.cycle_id = l.cycle;

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
               failure_reason = CASE WHEN r.is_step_done THEN '' ELSE c.failure_reason END
          FROM jsonb_to_recordset(settlements) AS r(cycle uuid, is_step_done boolean)
         WHERE c.id = r.cycle AND c.id = ANY(settled) RETURNING c.id, c.version
    )
    SELECT r.cycle, CASE WHEN t.id IS NULL THEN 'OTHER' ELSE 'DONE' END, t.version::integer
      FROM jsonb_to_recordset(settlements) AS r(cycle uuid) LEFT JOIN touched t ON t.id = r.cycle;
END $$;

-- Hands cycles back, each to be looked at again after a while (or as it stands). One that was woken while it was in
-- hand stays due: a claimed cycle was due before its lease began. Gives those whose lease still held.
CREATE FUNCTION kimp_release_v1(leases jsonb, lease_seconds integer, is_patient boolean) RETURNS SETOF uuid
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    held uuid[];
BEGIN
    held := kimp_lock_cycles(ARRAY(SELECT (r->>'cycle')::uuid FROM jsonb_array_elements(leases) r), is_patient);
    RETURN QUERY
    UPDATE cycles_cycle c
       SET lease_owner = '', lease_expires_at = NULL,
           wake_at = CASE WHEN r.wake_in IS NULL
                            OR c.wake_at > c.lease_expires_at - make_interval(secs => lease_seconds) THEN c.wake_at
                          ELSE statement_timestamp() + make_interval(secs => r.wake_in) END
      FROM jsonb_to_recordset(leases) AS r(cycle uuid, owner text, fence bigint, wake_in double precision)
     WHERE c.id = r.cycle AND c.id = ANY(held) AND c.fence = r.fence AND c.lease_owner = r.owner
    RETURNING c.id;
END $$;
