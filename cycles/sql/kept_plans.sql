-- The statements of a durable step keep their plans: they go by primary keys and unique indexes whatever the rows
-- are, and planning one anew each time took longer than running it. Triggers that they set off are planned likewise.
ALTER FUNCTION kimp_intend_v1(bigint, jsonb, boolean) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION kimp_settle_v1(jsonb, boolean) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION kimp_release_v1(jsonb, integer, boolean) SET plan_cache_mode = force_generic_plan;
