-- For those who partition market_data themselves: a partition has none of the statement triggers of the
-- table, so a TRUNCATE of it, a DELETE from it, and rows that go straight into it would pass them by. This
-- gives a partition those of its own. `tickbase check` names partitions that lack them.
CREATE FUNCTION tickbase_guard_partition(partition REGCLASS) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    missing TEXT;
BEGIN
    IF pg_partition_root(partition) IS DISTINCT FROM to_regclass('market_data')
        OR partition = to_regclass('market_data') THEN
        RAISE EXCEPTION '% is no partition of market_data; attach it first', partition
            USING ERRCODE = 'wrong_object_type';
    END IF;
    FOR missing IN
        SELECT definition FROM (VALUES
            ('market_data_refuse_truncate',
             'BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION tickbase_refuse_truncate()'),
            ('market_data_refuse_active_delete',
             'AFTER DELETE ON %s REFERENCING OLD TABLE AS gone FOR EACH STATEMENT '
             'EXECUTE FUNCTION tickbase_refuse_active_ticks()'),
            ('market_data_refers_insert',
             'AFTER INSERT ON %s REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT '
             'EXECUTE FUNCTION tickbase_ticks_inserted()')
        ) AS wanted (name, body),
        LATERAL (SELECT 'CREATE TRIGGER ' || name || ' ' || format(body, partition)) AS made (definition)
        WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = partition AND tgname = wanted.name)
    LOOP
        EXECUTE missing;
    END LOOP;
END;
$$;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000100', 'partitions');
