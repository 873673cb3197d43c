-- A withdrawal goes to an address of our own that two different people have confirmed, on the sending venue's
-- allow-list, of an asset that is proven at both ends; anything else cannot be written.

-- The same hash as exchanges.values.DepositAddress.fingerprint: a journal names no addresses.
CREATE FUNCTION kimp_address_fingerprint(
    venue text, asset text, network text, address text, memo text
) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to(
        concat_ws(chr(31), venue, asset, network, address, memo), 'UTF8')), 'hex')
$$;

-- How many different people have confirmed an address. The stand-ins of a simulation count in one only.
CREATE FUNCTION kimp_address_confirmers(of_address bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT count(DISTINCT c.user_id) FROM cycles_addressconfirmation c
             WHERE c.address_id = of_address AND (NOT c.is_simulated
                OR EXISTS (SELECT 1 FROM cycles_desk d WHERE d.kind = 'SIMULATED')));
END $$;

CREATE FUNCTION kimp_address_born_proposed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'PROPOSED' OR NEW.version <> 1 OR NEW.confirmed_at IS NOT NULL THEN
        RAISE EXCEPTION 'an address begins as a proposal'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'registered_address_born_proposed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER born_proposed BEFORE INSERT ON exchanges_registeredaddress
    FOR EACH ROW EXECUTE FUNCTION kimp_address_born_proposed();

CREATE FUNCTION kimp_address_lives_legally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.code, NEW.venue, NEW.asset, NEW.network, NEW.address, NEW.memo, NEW.proposed_at)
       IS DISTINCT FROM
       (OLD.id, OLD.code, OLD.venue, OLD.asset, OLD.network, OLD.address, OLD.memo, OLD.proposed_at)
       OR (OLD.confirmed_at IS NOT NULL AND NEW.confirmed_at IS DISTINCT FROM OLD.confirmed_at) THEN
        RAISE EXCEPTION 'address %: what it says never changes', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'registered_address_written_once';
    END IF;
    IF OLD.state = 'RETIRED' THEN
        RAISE EXCEPTION 'address %: retired for ever', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'registered_address_retired_for_ever';
    END IF;
    IF NEW.version < OLD.version OR (NEW.state <> OLD.state AND NEW.version = OLD.version) THEN
        RAISE EXCEPTION 'address %: a change of state raises the version', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'registered_address_version_grows';
    END IF;
    IF NEW.state = 'PROPOSED' AND OLD.state <> 'PROPOSED' THEN
        RAISE EXCEPTION 'address %: % cannot become a proposal', OLD.code, OLD.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'registered_address_moves_legally';
    END IF;
    IF NEW.state = 'CONFIRMED' AND OLD.state <> 'CONFIRMED'
       AND kimp_address_confirmers(OLD.id) < 2 THEN
        RAISE EXCEPTION 'address %: two different people confirm it', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'registered_address_confirmed_by_two';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lives_legally BEFORE UPDATE ON exchanges_registeredaddress
    FOR EACH ROW EXECUTE FUNCTION kimp_address_lives_legally();
CREATE TRIGGER no_delete BEFORE DELETE ON exchanges_registeredaddress
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();

-- A confirmation is what one person saw and did: the proposal as it stands, under their own intervention.
CREATE FUNCTION kimp_confirmation_is_sound() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a exchanges_registeredaddress;
    stands_in boolean;
BEGIN
    SELECT * INTO a FROM exchanges_registeredaddress WHERE id = NEW.address_id FOR NO KEY UPDATE;
    IF a.state <> 'PROPOSED' THEN
        RAISE EXCEPTION 'address %: % is no proposal', a.code, a.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'address_confirmation_of_a_proposal';
    END IF;
    IF NEW.seen_version <> a.version OR NEW.fingerprint <>
       kimp_address_fingerprint(a.venue, a.asset, a.network, a.address, a.memo) THEN
        RAISE EXCEPTION 'address %: that is not what stands there', a.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'address_confirmation_saw_this';
    END IF;
    PERFORM 1 FROM cycles_intervention i WHERE i.id = NEW.intervention_id
        AND i.verb = 'confirm_address' AND i.user_id = NEW.user_id
        AND i.seen_version = NEW.seen_version AND i.payload->>'address' = a.code;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'address %: a confirmation is its person''s own act', a.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'address_confirmation_is_an_act';
    END IF;
    SELECT u.username IN ('simulation-first', 'simulation-second') INTO stands_in
      FROM auth_user u WHERE u.id = NEW.user_id;
    IF stands_in <> NEW.is_simulated OR (stands_in
       AND NOT EXISTS (SELECT 1 FROM cycles_desk d WHERE d.kind = 'SIMULATED')) THEN
        RAISE EXCEPTION 'address %: stand-ins confirm in a simulation only, and as such', a.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'address_confirmation_by_people';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER is_sound BEFORE INSERT ON cycles_addressconfirmation
    FOR EACH ROW EXECUTE FUNCTION kimp_confirmation_is_sound();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cycles_addressconfirmation
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();

-- The rows that vouch are held until the intent has committed: whoever ends an address or a proof in the same
-- moment waits for it, or is seen by it.
CREATE FUNCTION kimp_withdrawal_is_vouched_for() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a exchanges_registeredaddress;
BEGIN
    SELECT * INTO a FROM exchanges_registeredaddress WHERE id = NEW.destination_id FOR SHARE;
    IF a.state IS DISTINCT FROM 'CONFIRMED' OR kimp_address_confirmers(a.id) < 2 THEN
        RAISE EXCEPTION 'withdrawal %: its destination is not confirmed by two people', NEW.client_order_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'withdrawal_destination_confirmed';
    END IF;
    PERFORM 1 FROM cycles_step s WHERE s.id = NEW.step_id AND s.cycle_id = NEW.cycle_id
        AND s.kind = 'WITHDRAW' AND s.venue = NEW.venue AND s.to_venue = a.venue
        AND s.asset = a.asset AND s.network = a.network AND a.venue <> NEW.venue;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal %: its destination is not that of its step', NEW.client_order_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'withdrawal_destination_of_its_step';
    END IF;
    IF (NEW.request->>'to_venue', NEW.request->>'asset', NEW.request->>'network',
        NEW.request->>'destination')
       IS DISTINCT FROM (a.venue::text, a.asset::text, a.network::text,
        kimp_address_fingerprint(a.venue, a.asset, a.network, a.address, a.memo)) THEN
        RAISE EXCEPTION 'withdrawal %: the request is not for its destination', NEW.client_order_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'withdrawal_request_as_confirmed';
    END IF;
    PERFORM 1 FROM exchanges_alloweddestination d
      WHERE d.address_id = a.id AND d.sender = NEW.venue FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal %: % does not list its destination', NEW.client_order_id, NEW.venue
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'withdrawal_destination_allowed';
    END IF;
    PERFORM 1 FROM exchanges_assetidentity s JOIN exchanges_assetidentity d
          ON d.asset = s.asset AND d.network = s.network AND d.contract = s.contract
      WHERE s.venue = NEW.venue AND d.venue = a.venue AND s.asset = a.asset AND s.network = a.network
        AND s.state = 'PROVEN' AND d.state = 'PROVEN' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal %: % on % is not proven at both ends', NEW.client_order_id, a.asset,
            a.network USING ERRCODE = 'restrict_violation', CONSTRAINT = 'withdrawal_asset_proven';
    END IF;
    PERFORM 1 FROM exchanges_assetidentity b JOIN exchanges_assetidentity p
          ON p.venue = b.venue AND p.venue_symbol = b.venue_symbol AND p.asset = b.asset
      WHERE b.state = 'BLOCKED' AND b.asset = a.asset AND b.network <> a.network
        AND p.state = 'PROVEN' AND p.network = a.network AND b.venue IN (NEW.venue, a.venue);
    IF FOUND THEN
        RAISE EXCEPTION 'withdrawal %: % is blocked on another network', NEW.client_order_id, a.asset
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'withdrawal_asset_proven';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER withdrawal_is_vouched_for BEFORE INSERT ON cycles_exchangecall
    FOR EACH ROW WHEN (NEW.operation = 'WITHDRAW' AND NEW.destination_id IS NOT NULL)
    EXECUTE FUNCTION kimp_withdrawal_is_vouched_for();  -- a CHECK refuses one without any
