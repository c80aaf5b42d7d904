-- Makes market_data a table partitioned by month, for a team that wants that; tickbase needs no partitions.
-- Stop what writes, and make a backup first. What is stored becomes the first partition, without being moved;
-- it reaches up to the month after the newest tick. Run it as the owner of the tables:
--
--   psql --single-transaction --set ON_ERROR_STOP=1 --file deploy/partition-market-data.sql ticks
--
-- Then make a partition for each month ahead, by hand or by pg_partman, and guard each:
--
--   CREATE TABLE market_data_2027_01 PARTITION OF market_data
--       FOR VALUES FROM ('2027-01-01 00:00+00') TO ('2027-02-01 00:00+00');
--   SELECT tickbase_guard_partition('market_data_2027_01');
--
-- `tickbase check` names partitions that have no guards. Make no default partition: each newest tick would
-- be looked for in it, too.
DO $$
DECLARE
    triggers TEXT[];
    views TEXT[];
    statement TEXT;
    first_month TIMESTAMPTZ;
BEGIN
    LOCK TABLE market_data IN ACCESS EXCLUSIVE MODE;
    SELECT date_trunc('month', coalesce(max("timestamp"), now()), 'UTC') + INTERVAL '1 month'
        INTO first_month FROM market_data;
    -- What refers to the table by its number, in words that name it.
    SELECT array_agg(pg_get_triggerdef(oid)) INTO triggers
        FROM pg_trigger WHERE tgrelid = 'market_data'::regclass AND NOT tgisinternal;
    SELECT array_agg(format('CREATE OR REPLACE VIEW %s AS %s', view.oid::regclass,
                            pg_get_viewdef(view.oid))) INTO views
        FROM (SELECT DISTINCT rule.ev_class AS oid FROM pg_depend AS needs
              JOIN pg_rewrite AS rule ON rule.oid = needs.objid
              WHERE needs.classid = 'pg_rewrite'::regclass
                AND needs.refobjid = 'market_data'::regclass) AS view;
    FOR statement IN
        SELECT format('DROP TRIGGER %I ON market_data', tgname)
            FROM pg_trigger WHERE tgrelid = 'market_data'::regclass AND NOT tgisinternal
    LOOP
        EXECUTE statement;
    END LOOP;
    ALTER TABLE market_data RENAME TO market_data_before;
    ALTER TABLE market_data_before RENAME CONSTRAINT market_data_pkey TO market_data_before_pkey;
    ALTER INDEX market_data_trash RENAME TO market_data_before_trash;
    CREATE TABLE market_data (
        LIKE market_data_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
        PRIMARY KEY (instrument_id, "timestamp", source_id, sequence)
    ) PARTITION BY RANGE ("timestamp");
    CREATE INDEX market_data_trash ON market_data (deleted_at) WHERE deleted_at IS NOT NULL;
    EXECUTE format('ALTER TABLE market_data ATTACH PARTITION market_data_before '
                   'FOR VALUES FROM (MINVALUE) TO (%L)', first_month);
    FOREACH statement IN ARRAY triggers || views LOOP
        EXECUTE statement;
    END LOOP;
    PERFORM tickbase_guard_partition('market_data_before');
END;
$$;
