
-- How old the keys are in a database that gets them from another one.

-- Not dumped: what is restored follows no other database.
CREATE TABLE falukeys.heartbeat (
	id text COLLATE "C" NOT NULL DEFAULT 'authority',
	at timestamptz NOT NULL,
	arrived boolean NOT NULL DEFAULT false,
	serial bigint NOT NULL DEFAULT 0,
	CONSTRAINT heartbeat_pkey PRIMARY KEY (id),
	CONSTRAINT heartbeat_id_check CHECK (id OPERATOR(pg_catalog.=) 'authority')
) USING heap WITH (fillfactor = 10);
COMMENT ON TABLE falukeys.heartbeat IS 'One row, by which databases that subscribe to the keys of this one know how old those are';
COMMENT ON COLUMN falukeys.heartbeat.id IS 'authority';
COMMENT ON COLUMN falukeys.heartbeat.at IS 'The time, by the clock of the database where keys are managed';
COMMENT ON COLUMN falukeys.heartbeat.arrived IS 'Has the row come from another database? Then keys are managed there, or were';
COMMENT ON COLUMN falukeys.heartbeat.serial IS 'Counts the changes of the row, so that a database to which one of them did not arrive knows that others are missing too';
