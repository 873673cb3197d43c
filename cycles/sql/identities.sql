-- One coin behind one asset, over all venues: a proof that would make a ticker mean two coins, or a coin two
-- tickers, is refused. Proofs queue behind one lock; they are rare.
CREATE FUNCTION kimp_identity_is_one_coin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('kimp.identity'));
    SELECT venue, venue_symbol INTO other FROM exchanges_assetidentity i
     WHERE i.id <> NEW.id AND i.state = 'PROVEN' AND i.asset = NEW.asset AND i.network = NEW.network
       AND (i.contract, i.decimals) IS DISTINCT FROM (NEW.contract, NEW.decimals) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% on % is another coin at %', NEW.asset, NEW.network, other.venue
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'asset_identity_one_coin';
    END IF;
    SELECT venue, asset INTO other FROM exchanges_assetidentity i
     WHERE i.id <> NEW.id AND i.state = 'PROVEN' AND i.asset <> NEW.asset
       AND i.network = NEW.network AND i.contract = NEW.contract LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'that coin is % at %', other.asset, other.venue
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'asset_identity_one_asset';
    END IF;
    SELECT asset, venue_network INTO other FROM exchanges_assetidentity i
     WHERE i.id <> NEW.id AND i.state = 'PROVEN' AND i.asset <> NEW.asset
       AND i.venue = NEW.venue AND i.venue_symbol = NEW.venue_symbol LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% at % is % on %', NEW.venue_symbol, NEW.venue, other.asset, other.venue_network
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'asset_identity_one_meaning';
    END IF;
    SELECT venue_symbol INTO other FROM exchanges_assetidentity i
     WHERE i.id <> NEW.id AND i.state = 'PROVEN' AND i.asset = NEW.asset
       AND i.venue = NEW.venue AND i.venue_symbol <> NEW.venue_symbol LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% at % is called %', NEW.asset, NEW.venue, other.venue_symbol
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'asset_identity_one_symbol';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER is_one_coin_insert BEFORE INSERT ON exchanges_assetidentity
    FOR EACH ROW WHEN (NEW.state = 'PROVEN') EXECUTE FUNCTION kimp_identity_is_one_coin();
CREATE TRIGGER is_one_coin_update BEFORE UPDATE ON exchanges_assetidentity
    FOR EACH ROW WHEN (NEW.state = 'PROVEN'
        AND (NEW.state, NEW.asset, NEW.network, NEW.contract, NEW.decimals)
            IS DISTINCT FROM (OLD.state, OLD.asset, OLD.network, OLD.contract, OLD.decimals))
    EXECUTE FUNCTION kimp_identity_is_one_coin();

-- A row is about one name for ever, and no change of its state goes unseen by whoever read it before.
CREATE FUNCTION kimp_identity_keeps_its_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.venue, NEW.venue_symbol, NEW.venue_network, NEW.first_seen_at)
       IS DISTINCT FROM (OLD.venue, OLD.venue_symbol, OLD.venue_network, OLD.first_seen_at) THEN
        RAISE EXCEPTION 'a name of the registry stays what it is'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'asset_identity_written_once';
    END IF;
    IF NEW.version < OLD.version OR (NEW.state <> OLD.state AND NEW.version = OLD.version) THEN
        RAISE EXCEPTION 'a change of state raises the version'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'asset_identity_version_grows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keeps_its_name BEFORE UPDATE ON exchanges_assetidentity
    FOR EACH ROW EXECUTE FUNCTION kimp_identity_keeps_its_name();
CREATE TRIGGER no_delete BEFORE DELETE ON exchanges_assetidentity
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON exchanges_rulechange
    FOR EACH ROW EXECUTE FUNCTION kimp_append_only();
