-- Moves the dead letters of a batch of a bulk redrive, which the caller holds locked, as it saw them under their locks:
-- an audit row, a transition and the next status of each. Gives how many; none or all.
-- It reads anew, by a snapshot after the locks. The plan is what one redrive would leave: a passage that was given up for
-- an unwind is not resumed: one that has a sale behind it (`intervening._is_half_unwound`). A wait always is.
-- A later release that changes what it takes, gives or does adds the next version; this one's code calls this name.
CREATE FUNCTION kimp_redrive_v1(ids uuid[], versions integer[], facts jsonb, begins_in interval, spread interval)
RETURNS bigint LANGUAGE plpgsql STRICT SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    f record;
    moved bigint;
BEGIN
    SELECT * INTO f FROM jsonb_to_record(facts) AS r(
        verb text, user_id integer, actor text, channel text, reason text, payload jsonb,
        request_id text, session_id text, trace_id text);
    INSERT INTO cycles_intervention (verb, cycle_id, user_id, actor, channel, reason, seen_version, payload, at,
                                     request_id, session_id, trace_id)
    SELECT f.verb, seen.id, f.user_id, f.actor, f.channel, f.reason, seen.version, f.payload, statement_timestamp(),
           f.request_id, f.session_id, f.trace_id
      FROM unnest(ids, versions) AS seen (id, version);
    INSERT INTO cycles_transition (cycle_id, version, from_status, to_status, event, actor, reason, at,
                                   request_id, session_id, trace_id)
    SELECT seen.id, seen.version + 1, 'DEAD_LETTER', 'RETRY_PENDING', f.verb, f.actor, f.reason, statement_timestamp(),
           f.request_id, f.session_id, f.trace_id
      FROM unnest(ids, versions) AS seen (id, version);
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
              FROM unnest(ids, versions) AS n (id, version)) AS seen
     WHERE c.id = seen.id AND c.version = seen.version;
    GET DIAGNOSTICS moved = ROW_COUNT;
    -- The caller's locks forbid it. What was chosen is chosen anew.
    IF moved <> cardinality(ids) THEN
        RAISE EXCEPTION 'bulk redrive: % of % are as they were seen', moved, cardinality(ids)
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN moved;
END $$;
