-- Where a cycle stands: whether a call of it is open or unsettled, what it owns, its row, its policy, and its
-- passage's next step. A function keeps its plan for the session, whoever pools that; planning costs more than reading.
-- The plan may be older than the tables are large, so it goes by their indexes.
-- A later release that wants to know more adds the next version; workers of this one call this name.
CREATE FUNCTION kimp_standing_v1(of uuid)
RETURNS TABLE (is_loose boolean, held text, cycle cycles_cycle, policy cycles_policyversion, step cycles_step)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    -- The partial indexes of calls and accounts serve it: statuses stand as literals.
    RETURN QUERY
    SELECT EXISTS (SELECT 1 FROM cycles_exchangecall k
                    WHERE k.cycle_id = c.id AND k.outcome IN ('INTENDED', 'UNKNOWN'))
        OR EXISTS (SELECT 1 FROM cycles_exchangecall k WHERE k.cycle_id = c.id AND k.outcome = 'DONE'
                      AND NOT k.is_settled AND k.operation IN ('PLACE_ORDER', 'WITHDRAW')),
           (SELECT json_agg(json_build_array(a.venue, a.asset, a.owner, a.balance::text) ORDER BY a.id)
              FROM cycles_account a WHERE a.cycle_id = c.id AND a.balance <> 0)::text,
           c, p,
           (SELECT n FROM cycles_step n WHERE n.cycle_id = c.id AND n.state IN ('PENDING', 'RUNNING')
               AND n.passage = CASE c.status WHEN 'STARTED' THEN 'OUTBOUND' ELSE 'RETURN' END
             ORDER BY n.position LIMIT 1)
      FROM cycles_cycle c JOIN cycles_policyversion p ON p.id = c.policy_id
     WHERE c.id = of;
END $$;
