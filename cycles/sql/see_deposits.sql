-- Write what a look showed; give the ids of those that are new or other than before.
INSERT INTO cycles_seendeposit AS old (
    venue, venue_deposit_id, asset, network, quantity, txid, txid_key, status, detail, wants_sender,
    created_at, first_seen_at, changed_at, look, is_shown)
SELECT %(venue)s, venue_deposit_id, asset, network, quantity, txid, txid_key, status, detail,
    wants_sender, created_at, statement_timestamp(), statement_timestamp(), %(look)s, true
FROM jsonb_to_recordset(%(rows)s::jsonb) AS told (
    venue_deposit_id text, asset text, network text, quantity numeric, txid text, txid_key text,
    status text, detail text, wants_sender boolean, created_at timestamptz)
ON CONFLICT (venue, venue_deposit_id) DO UPDATE SET
    asset = EXCLUDED.asset, network = EXCLUDED.network, quantity = EXCLUDED.quantity,
    txid = EXCLUDED.txid, txid_key = EXCLUDED.txid_key, status = EXCLUDED.status,
    detail = EXCLUDED.detail, wants_sender = EXCLUDED.wants_sender, created_at = EXCLUDED.created_at, changed_at = EXCLUDED.changed_at,
    look = EXCLUDED.look, is_shown = true
WHERE NOT old.is_shown
    OR (old.asset, old.network, old.quantity, old.txid, old.status, old.detail, old.wants_sender,
        old.created_at)
    IS DISTINCT FROM
       (EXCLUDED.asset, EXCLUDED.network, EXCLUDED.quantity, EXCLUDED.txid, EXCLUDED.status,
        EXCLUDED.detail, EXCLUDED.wants_sender, EXCLUDED.created_at)
RETURNING venue_deposit_id
