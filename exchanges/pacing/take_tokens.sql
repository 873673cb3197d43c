-- Take tokens from rate windows: one short statement for all that a process lacks.
--
-- Only the process's pacing channel calls it, in a transaction of its own (autocommit): it turns
-- synchronous_commit off for its transaction. Rows are locked in the order of their keys, for as long
-- as the statement runs. `at` is for tests; the database's clock counts otherwise.
--
-- Time is cut into slots, an eighth of the window each; what was taken in the last ten counts, so that
-- no stretch of the window's length holds more than its limit (see exchanges/transport/windows.py).
-- Whoever gets less than it needs is written down in `waiting` and comes before those who ask later
-- at its priority, until it has asked again or the time in which it should have is over. `waited_ms`,
-- how long the call that waits longest has waited, keeps the place of a process that comes late, or whose
-- tokens ran out on their way: no clock but the database's is needed for it.
CREATE OR REPLACE FUNCTION exchanges_take_tokens(asker text, asks jsonb, at timestamptz DEFAULT NULL)
RETURNS TABLE (place int, tokens int, ms bigint, held_ms bigint, most int, used int)
LANGUAGE plpgsql SET lock_timeout = '250ms' AS $$
DECLARE
    counted CONSTANT int := 10;
    ask record;
    w exchanges_ratewindow;
    now_ms bigint; slot_ms bigint; slot_now bigint; passed int;
    total int; ceiling int; room int; ahead int; others boolean; came_ms bigint; goal int;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    FOR ask IN
        SELECT * FROM jsonb_to_recordset(asks) AS x(
            place int, venue text, name text, scope text, span_ms bigint, most int, kept int,
            rank int, least int, needed int, wanted int, seen int, haste_ms int, waited_ms bigint)
        ORDER BY x.venue, x.name, x.scope, x.rank
    LOOP
        place := ask.place; tokens := 0; ms := 0; held_ms := 0; most := ask.most; used := 0;
        IF ask.most = 0 THEN  -- a door: it is only looked at
            SELECT * INTO w FROM exchanges_ratewindow r
             WHERE r.venue = ask.venue AND r.name = ask.name AND r.scope = ask.scope;
            now_ms := extract(epoch FROM coalesce(at, clock_timestamp())) * 1000;
            held_ms := greatest(coalesce(extract(epoch FROM w.held_until) * 1000 - now_ms, 0), 0);
            RETURN NEXT;
            CONTINUE;
        END IF;
        LOOP
            SELECT * INTO w FROM exchanges_ratewindow r
             WHERE r.venue = ask.venue AND r.name = ask.name AND r.scope = ask.scope
               FOR NO KEY UPDATE;
            EXIT WHEN FOUND;
            INSERT INTO exchanges_ratewindow (venue, name, scope, span_ms, most, slot, used,
                                              waiting, held_because)
            VALUES (ask.venue, ask.name, ask.scope, ask.span_ms, ask.most, 0,
                    array_fill(0, ARRAY[counted]), '[]', '')
            ON CONFLICT DO NOTHING;
        END LOOP;
        -- Read after the lock was had: whoever waited for it must not count into the past.
        now_ms := extract(epoch FROM coalesce(at, clock_timestamp())) * 1000;
        IF w.told_at IS NULL THEN
            w.most := ask.most;
        END IF;
        w.span_ms := ask.span_ms;
        slot_ms := greatest(w.span_ms / 8, 1);
        -- Tokens must outlive the way back to who asked: near its end the next slot is meant.
        slot_now := (now_ms + least(ask.haste_ms, slot_ms)) / slot_ms;
        passed := least(greatest(slot_now - w.slot, 0), counted);
        IF passed > 0 OR w.slot - slot_now > counted THEN  -- the latter: the clock was set back
            w.used := (array_fill(0, ARRAY[passed]) || w.used)[1:counted];
            w.slot := slot_now;
        END IF;
        total := (SELECT sum(u) FROM unnest(w.used) AS u);
        IF ask.seen > total THEN  -- others use the account or the address too
            w.used[1] := w.used[1] + ask.seen - total;
            total := ask.seen;
        END IF;

        SELECT least(coalesce(min(e.since), now_ms), now_ms - coalesce(ask.waited_ms, 0)) INTO came_ms
          FROM jsonb_to_recordset(w.waiting) AS e(who text, rank int, since bigint, until bigint)
         WHERE e.who = asker AND e.rank = ask.rank AND e.until > now_ms;
        SELECT coalesce(sum(e.needed) FILTER (WHERE (e.rank, e.since, e.who)
                                              < (ask.rank, came_ms, asker)), 0),
               count(*) > 0
          INTO ahead, others
          FROM jsonb_to_recordset(w.waiting)
            AS e(who text, rank int, needed int, since bigint, until bigint)
         WHERE e.who <> asker AND e.until > now_ms;

        held_ms := greatest(coalesce(extract(epoch FROM w.held_until) * 1000 - now_ms, 0), 0);
        ceiling := greatest(w.most - least(ask.kept, w.most / 2), 1);
        room := ceiling - total - ahead;
        goal := CASE WHEN others THEN ask.needed ELSE ask.wanted END;
        IF held_ms > 0 THEN
            tokens := 0;
        ELSIF total = 0 AND ahead = 0 AND ask.least > room THEN
            tokens := ask.least;  -- dearer than the ceiling: it goes when nothing else counts
        ELSIF least(goal, room) >= ask.least THEN
            tokens := greatest(least(goal, room), 0);
        END IF;
        w.used[1] := w.used[1] + tokens;

        ms := (w.slot + 1) * slot_ms - now_ms;
        IF tokens < ask.least AND room >= ask.least THEN
            ms := held_ms;  -- nothing else keeps it
        ELSIF tokens < ask.least THEN  -- until when enough of what counts has passed
            FOR k IN REVERSE counted..1 LOOP
                room := room + w.used[k];
                EXIT WHEN room >= ask.least;
                ms := ms + slot_ms;
            END LOOP;
            ms := greatest(ms, held_ms);
        END IF;
        w.waiting := coalesce((
            SELECT jsonb_agg(e) FROM jsonb_array_elements(w.waiting) AS e
             WHERE (e ->> 'until')::bigint > now_ms
               AND NOT (e ->> 'who' = asker AND (e ->> 'rank')::int = ask.rank)
        ), '[]');
        IF tokens < ask.needed THEN
            w.waiting := w.waiting || jsonb_build_object(
                'who', asker, 'rank', ask.rank, 'needed', ask.needed - tokens,
                'since', CASE WHEN tokens > 0 THEN now_ms ELSE came_ms END,
                'until', now_ms + least(ms, w.span_ms + 2 * slot_ms) + greatest(slot_ms, 250));
        END IF;
        UPDATE exchanges_ratewindow r
           SET span_ms = w.span_ms, most = w.most, slot = w.slot, used = w.used, waiting = w.waiting
         WHERE r.id = w.id;
        most := w.most;
        used := (SELECT sum(u) FROM unnest(w.used) AS u);
        RETURN NEXT;
    END LOOP;
END $$;
