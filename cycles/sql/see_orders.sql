-- Write what a look showed; give the ids of those that are new or other than before.
INSERT INTO cycles_seenorder AS old (
    venue, client_order_id, venue_order_id, market, quantity, executed_quantity, status, detail,
    created_at, first_seen_at, changed_at, look, is_shown)
SELECT %(venue)s, client_order_id, venue_order_id, market, quantity, executed_quantity, status,
    detail, created_at, statement_timestamp(), statement_timestamp(), %(look)s, true
FROM jsonb_to_recordset(%(rows)s::jsonb) AS told (
    client_order_id text, venue_order_id text, market text, quantity numeric,
    executed_quantity numeric, status text, detail text, created_at timestamptz)
ON CONFLICT (venue, client_order_id) DO UPDATE SET
    venue_order_id = EXCLUDED.venue_order_id, market = EXCLUDED.market,
    quantity = EXCLUDED.quantity, executed_quantity = EXCLUDED.executed_quantity,
    status = EXCLUDED.status, detail = EXCLUDED.detail, created_at = EXCLUDED.created_at,
    changed_at = EXCLUDED.changed_at, look = EXCLUDED.look, is_shown = true
WHERE NOT old.is_shown
    OR (old.venue_order_id, old.market, old.quantity, old.executed_quantity, old.status, old.detail)
    IS DISTINCT FROM
       (EXCLUDED.venue_order_id, EXCLUDED.market, EXCLUDED.quantity, EXCLUDED.executed_quantity,
        EXCLUDED.status, EXCLUDED.detail)
RETURNING client_order_id
