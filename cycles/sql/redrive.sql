-- Moves the dead letters of a batch of a bulk redrive, which the caller holds locked, as it saw them under their locks:
-- an audit row, a transition and the next status of each. What somebody has acted on since `seen_at` is left to them; of
-- the others it moves all or none. Gives how many. It reads anew, by a snapshot after the locks.
-- The plan is what one redrive would leave: a passage that was given up for an unwind is not resumed: one that has a
-- sale behind it (`intervening._is_half_unwound`). A wait always is.
-- A later release that changes what it takes, gives or does adds the next version; this one's code calls this name.
CREATE FUNCTION kimp_redrive_v1(ids uuid[], versions integer[], facts jsonb, begins_in interval, spread interval)
RETURNS bigint LANGUAGE plpgsql STRICT SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    f record;
    free uuid[];
    seen_versions integer[];
    moved bigint;
BEGIN
    SELECT * INTO f FROM jsonb_to_record(facts) AS r(
        verb text, user_id integer, actor text, channel text, reason text, payload jsonb,
        seen_at timestamptz, request_id text, session_id text, trace_id text);
    -- Not as a join: statistics of a time before there were acts make one that reads all of them for each cycle.
    SELECT array_agg(n.id), array_agg(n.version) INTO free, seen_versions
      FROM unnest(ids, versions) AS n (id, version)
     WHERE (SELECT i.id FROM cycles_intervention i WHERE i.cycle_id = n.id AND i.at > f.seen_at LIMIT 1) IS NULL;
    IF free IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO cycles_intervention (verb, cycle_id, user_id, actor, channel, reason, seen_version, payload, at,
                                     request_id, session_id, trace_id)
    SELECT f.verb, seen.id, f.user_id, f.actor, f.channel, f.reason, seen.version, f.payload, statement_timestamp(),
           f.request_id, f.session_id, f.trace_id
      FROM unnest(free, seen_versions) AS seen (id, version);
    INSERT INTO cycles_transition (cycle_id, version, from_status, to_status, event, actor, reason, at,
                                   request_id, session_id, trace_id)
    SELECT seen.id, seen.version + 1, 'DEAD_LETTER', 'RETRY_PENDING', f.verb, f.actor, f.reason, statement_timestamp(),
           f.request_id, f.session_id, f.trace_id
      FROM unnest(free, seen_versions) AS seen (id, version);
    UPDATE cycles_cycle c
       SET status = 'RETRY_PENDING', status_since = statement_timestamp(), version = seen.version + 1,
           retry_count = 0, next_retry_at = seen.due_at, wake_at = seen.due_at,
           plan = CASE WHEN c.plan = 'UNWIND'
                        AND c.resume_status NOT IN ('INITIAL_TRADE_COMPLETED', 'AWAITING_REBALANCE')
                        AND EXISTS (SELECT FROM cycles_step s JOIN cycles_step sale USING (cycle_id)
                                     WHERE s.cycle_id = c.id AND s.passage <> 'UNWIND' AND s.state = 'ABANDONED'
                                       AND sale.passage = 'UNWIND' AND sale.position > s.position)
                        AND NOT EXISTS (SELECT FROM cycles_step s WHERE s.cycle_id = c.id
                                       AND s.passage <> 'UNWIND' AND s.state IN ('PENDING', 'RUNNING'))
                       THEN 'UNWIND' ELSE 'RESUME' END
      FROM (SELECT n.*, statement_timestamp() + begins_in + random() * spread AS due_at
              FROM unnest(free, seen_versions) AS n (id, version)) AS seen
     WHERE c.id = seen.id AND c.version = seen.version;
    GET DIAGNOSTICS moved = ROW_COUNT;
    -- The caller's locks forbid it. What was chosen is chosen anew.
    IF moved <> cardinality(free) THEN
        RAISE EXCEPTION 'bulk redrive: % of % are as they were seen', moved, cardinality(free)
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN moved;
END $$;
