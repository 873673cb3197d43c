-- Write what a look showed; give the ids of those that are new or other than before.
INSERT INTO cycles_seenwithdrawal AS old (
    venue, venue_withdrawal_id, client_withdrawal_id, asset, network, quantity, network_fee, txid,
    address_hash, status, detail, created_at, first_seen_at, changed_at, look, is_shown)
SELECT %(venue)s, venue_withdrawal_id, client_withdrawal_id, asset, network, quantity, network_fee,
    txid, address_hash, status, detail, created_at, statement_timestamp(), statement_timestamp(),
    %(look)s, true
FROM jsonb_to_recordset(%(rows)s::jsonb) AS told (
    venue_withdrawal_id text, client_withdrawal_id text, asset text, network text, quantity numeric,
    network_fee numeric, txid text, address_hash text, status text, detail text,
    created_at timestamptz)
ON CONFLICT (venue, venue_withdrawal_id) DO UPDATE SET
    client_withdrawal_id = EXCLUDED.client_withdrawal_id, asset = EXCLUDED.asset,
    network = EXCLUDED.network, quantity = EXCLUDED.quantity, network_fee = EXCLUDED.network_fee,
    txid = EXCLUDED.txid, address_hash = EXCLUDED.address_hash, status = EXCLUDED.status,
    detail = EXCLUDED.detail, created_at = EXCLUDED.created_at, changed_at = EXCLUDED.changed_at,
    look = EXCLUDED.look, is_shown = true
WHERE NOT old.is_shown
    OR (old.client_withdrawal_id, old.asset, old.network, old.quantity, old.network_fee, old.txid,
        old.address_hash, old.status, old.detail, old.created_at)
    IS DISTINCT FROM
       (EXCLUDED.client_withdrawal_id, EXCLUDED.asset, EXCLUDED.network, EXCLUDED.quantity,
        EXCLUDED.network_fee, EXCLUDED.txid, EXCLUDED.address_hash, EXCLUDED.status,
        EXCLUDED.detail, EXCLUDED.created_at)
RETURNING venue_withdrawal_id
