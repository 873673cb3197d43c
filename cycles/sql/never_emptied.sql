-- What stays for ever is not emptied either: that asks no trigger of rows, and a desk without its row could become
-- LIVE. A restore into an empty database asks none of these; the superuser can still take one away.
CREATE FUNCTION kimp_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% stays for ever: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_never_emptied';
END $$;

-- The hottest come last: their locks are held the shortest.
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_desk
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_legal_transition
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_policyversion
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_intervention
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON exchanges_rulechange
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON exchanges_registeredaddress
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_addressconfirmation
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON exchanges_assetidentity
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_account
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_retry
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_cycle
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_transition
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_exchangecall
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_fill
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_posting
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cycles_entry
    FOR EACH STATEMENT EXECUTE FUNCTION kimp_never_emptied();
