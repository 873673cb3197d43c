-- Where a cycle stands: whether a call of it is open or unsettled, what it owns, its row, its policy, and its
-- passage's next step. Without its policy's columns: those never change, and whoever knows a policy by its id and its
-- time needs no more. Volatile: within the statement that claims or settles the cycle, it sees what that has written.
-- A function keeps its plan for the session, whoever pools that; planning costs more than reading.
-- The plan may be older than the tables are large, so it goes by their indexes; with + 0 none is read from end to end
-- for its order.
-- A later release that wants to know more adds the next version; workers of this one call this name.
CREATE OR REPLACE FUNCTION kimp_standing_v3(of uuid)
RETURNS TABLE (is_loose boolean, held text,
               c_id uuid, c_code varchar, c_kind varchar, c_status varchar, c_version integer, c_session_id varchar,
               c_outbound_asset varchar, c_return_asset varchar, c_global_venue varchar, c_korea_venue varchar,
               c_policy_id bigint, c_opening_rule varchar, c_krw_per_usdt_at_open numeric,
               c_krw_per_usd_at_open numeric, c_notional_usdt numeric, c_notional_krw numeric,
               c_expected_edge_bps numeric, c_realised_pnl_usdt numeric, c_realised_pnl_krw numeric,
               c_money_at_risk_krw numeric, c_started_at timestamptz, c_ended_at timestamptz,
               c_status_since timestamptz, c_wake_at timestamptz, c_lease_owner varchar,
               c_lease_expires_at timestamptz, c_fence bigint, c_retry_count integer, c_max_retries integer,
               c_last_retry_at timestamptz, c_next_retry_at timestamptz, c_failure_class varchar,
               c_failure_reason text, c_resume_status varchar, c_plan varchar, c_assignee_id integer,
               c_acknowledged_at timestamptz,
               p_created_at timestamptz,
               s_id bigint, s_cycle_id uuid, s_position smallint, s_passage varchar, s_kind varchar, s_state varchar,
               s_venue varchar, s_to_venue varchar, s_asset varchar, s_quote varchar, s_network varchar,
               s_attempt smallint, s_reference_price numeric, s_quantity_in numeric, s_quantity_out numeric,
               s_started_at timestamptz, s_settled_at timestamptz)
LANGUAGE plpgsql VOLATILE STRICT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    -- The partial indexes of calls and accounts serve it: statuses stand as literals.
    RETURN QUERY
    SELECT EXISTS (SELECT 1 FROM cycles_exchangecall k
                    WHERE k.cycle_id = c.id AND k.outcome IN ('INTENDED', 'UNKNOWN'))
        OR EXISTS (SELECT 1 FROM cycles_exchangecall k WHERE k.cycle_id = c.id AND k.outcome = 'DONE'
                      AND NOT k.is_settled AND k.operation IN ('PLACE_ORDER', 'WITHDRAW')),
           (SELECT json_agg(json_build_array(a.venue, a.asset, a.owner, a.balance::text) ORDER BY a.id + 0)
              FROM cycles_account a WHERE a.cycle_id = c.id AND a.balance <> 0)::text,
           c.id, c.code, c.kind, c.status, c.version, c.session_id, c.outbound_asset, c.return_asset, c.global_venue,
           c.korea_venue, c.policy_id, c.opening_rule, c.krw_per_usdt_at_open, c.krw_per_usd_at_open, c.notional_usdt,
           c.notional_krw, c.expected_edge_bps, c.realised_pnl_usdt, c.realised_pnl_krw, c.money_at_risk_krw,
           c.started_at, c.ended_at, c.status_since, c.wake_at, c.lease_owner, c.lease_expires_at, c.fence,
           c.retry_count, c.max_retries, c.last_retry_at, c.next_retry_at, c.failure_class, c.failure_reason,
           c.resume_status, c.plan, c.assignee_id, c.acknowledged_at,
           p.created_at,
           s.id, s.cycle_id, s.position, s.passage, s.kind, s.state, s.venue, s.to_venue, s.asset, s.quote, s.network,
           s.attempt, s.reference_price, s.quantity_in, s.quantity_out, s.started_at, s.settled_at
      FROM cycles_cycle c JOIN cycles_policyversion p ON p.id = c.policy_id
      LEFT JOIN LATERAL (
          SELECT n.* FROM cycles_step n WHERE n.cycle_id = c.id AND n.state IN ('PENDING', 'RUNNING')
             AND n.passage = CASE c.status WHEN 'STARTED' THEN 'OUTBOUND' ELSE 'RETURN' END
           ORDER BY n.position LIMIT 1) s ON true
     WHERE c.id = of;
END $$;
