-- Which periods of an instrument should have bars: 24x7, weekdays or the name of an exchange. NULL:
-- by its type. Which exchanges are known, the program says.
ALTER TABLE instruments ADD COLUMN calendar TEXT;

-- The indexes and internals of the US market that the first start finds.
UPDATE instruments SET calendar = 'XNYS'
WHERE id BETWEEN 6 AND 12
    AND symbol IN ('SPX', 'NDX', 'RUT', 'VIX', 'TICK', 'ADD', 'TRIN')
    AND instrument_type IN ('index', 'internal');

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261128000008', 'calendars');
