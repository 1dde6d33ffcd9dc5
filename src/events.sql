
-- What was done to workspaces and keys.

CREATE TABLE falukeys.events (
	id bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	event text NOT NULL,
	actor name NOT NULL,
	session_actor name NOT NULL,
	acting_for text,
	workspace_id text COLLATE "C",
	key_id text COLLATE "C",
	detail jsonb,
	CONSTRAINT events_pkey PRIMARY KEY (id),
	CONSTRAINT events_id_check CHECK (id OPERATOR(pg_catalog.>) 0 AND id OPERATOR(pg_catalog.<) 9007199254740992)
);
CREATE INDEX events_by_workspace ON falukeys.events (workspace_id, id);
CREATE INDEX events_by_key ON falukeys.events (key_id, id);
COMMENT ON TABLE falukeys.events IS 'The append-only record of what was done to workspaces and keys';
COMMENT ON COLUMN falukeys.events.id IS 'Its number, one more than the highest before, also in the notification on channel falukeys; below 2^53, as JSON has numbers';
COMMENT ON COLUMN falukeys.events.at IS 'When, by the wall clock';
COMMENT ON COLUMN falukeys.events.event IS 'What: workspace.created, key.rolled and so on';
COMMENT ON COLUMN falukeys.events.actor IS 'The role that did it: current_user at the call';
COMMENT ON COLUMN falukeys.events.session_actor IS 'The role that had logged in: session_user';
COMMENT ON COLUMN falukeys.events.acting_for IS 'What the client had set in falukeys.acting_for, an application''s own user, say; up to 1,024 characters';
COMMENT ON COLUMN falukeys.events.workspace_id IS 'The workspace that it was done to, or whose key';
COMMENT ON COLUMN falukeys.events.key_id IS 'The key that it was done to';
COMMENT ON COLUMN falukeys.events.detail IS 'What else belongs to it, a reason, say';
