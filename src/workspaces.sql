
-- Workspaces, their members and their settings.

CREATE TYPE falukeys.workspace_state AS ENUM ('pending', 'approved', 'suspended', 'closed');
COMMENT ON TYPE falukeys.workspace_state IS 'pending: test keys only, never approved yet; approved: live keys too; suspended: live keys are refused for now; closed: every key is refused for good';

CREATE TYPE falukeys.workspace_role AS ENUM ('administrator', 'developer', 'member');
COMMENT ON TYPE falukeys.workspace_role IS 'What a member of a workspace may do: its keys and members, its keys, or nothing with keys';

CREATE TABLE falukeys.workspaces (
	id text COLLATE "C" NOT NULL,
	state falukeys.workspace_state NOT NULL DEFAULT 'pending',
	name text NOT NULL,
	created_at timestamptz NOT NULL,
	created_by name NOT NULL,
	approved_at timestamptz,
	suspended_from falukeys.workspace_state,
	state_changed_at timestamptz NOT NULL,
	state_reason text,
	meta jsonb,
	CONSTRAINT workspaces_pkey PRIMARY KEY (id),
	CONSTRAINT workspaces_name_check CHECK (name OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT workspaces_approved_check CHECK (state OPERATOR(pg_catalog.<>) 'approved' OR approved_at IS NOT NULL),
	CONSTRAINT workspaces_suspended_check CHECK ((state OPERATOR(pg_catalog.=) 'suspended') OPERATOR(pg_catalog.=) (suspended_from IS NOT NULL))
) USING heap;
COMMENT ON TABLE falukeys.workspaces IS 'The tenants of the platform; one inserted by its name alone gets its pair of test keys';
COMMENT ON COLUMN falukeys.workspaces.id IS 'wksp_ and a KSUID; given only by a restore';
COMMENT ON COLUMN falukeys.workspaces.state IS 'pending, approved, suspended or closed';
COMMENT ON COLUMN falukeys.workspaces.name IS 'For people; need not be unique';
COMMENT ON COLUMN falukeys.workspaces.created_at IS 'When it was created';
COMMENT ON COLUMN falukeys.workspaces.created_by IS 'The role that created it';
COMMENT ON COLUMN falukeys.workspaces.approved_at IS 'When it was approved, and so got its pair of live keys; NULL before';
COMMENT ON COLUMN falukeys.workspaces.suspended_from IS 'While suspended, the state that resuming restores';
COMMENT ON COLUMN falukeys.workspaces.state_changed_at IS 'When it came into its state';
COMMENT ON COLUMN falukeys.workspaces.state_reason IS 'Why it was suspended or closed';
COMMENT ON COLUMN falukeys.workspaces.meta IS 'The platform''s own: a plan, say';

CREATE TABLE falukeys.members (
	workspace_id text COLLATE "C" NOT NULL,
	member regrole NOT NULL,
	role falukeys.workspace_role NOT NULL,
	added_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT members_pkey PRIMARY KEY (workspace_id, member),
	CONSTRAINT members_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES falukeys.workspaces (id)
);
CREATE INDEX members_by_member ON falukeys.members (member, workspace_id);
COMMENT ON TABLE falukeys.members IS 'Which database roles belong to which workspace, and what they may do there';
COMMENT ON COLUMN falukeys.members.workspace_id IS 'The workspace';
COMMENT ON COLUMN falukeys.members.member IS 'A database role; a row whose role is gone matches no one';
COMMENT ON COLUMN falukeys.members.role IS 'What the member may do in the workspace';
COMMENT ON COLUMN falukeys.members.added_at IS 'Since when; given only by a restore, which is not recorded';

-- No unique constraint: where triggers are disabled, a restore puts its row beside
-- the one that the installation has put there.
CREATE TABLE falukeys.mode_settings (
	mode falukeys.key_mode NOT NULL,
	process_payments boolean NOT NULL,
	deliver_messages boolean NOT NULL,
	verify_identities boolean NOT NULL,
	webhook_max_attempts integer,
	webhook_retry_window interval NOT NULL,
	CONSTRAINT mode_settings_webhook_max_attempts_check CHECK (webhook_max_attempts OPERATOR(pg_catalog.>) 0),
	CONSTRAINT mode_settings_webhook_retry_window_check CHECK (webhook_retry_window OPERATOR(pg_catalog.>) '0')
);
ALTER TABLE falukeys.mode_settings REPLICA IDENTITY FULL;
COMMENT ON TABLE falukeys.mode_settings IS 'In what the two modes differ; a row a mode, which the platform may update';
COMMENT ON COLUMN falukeys.mode_settings.mode IS 'The mode';
COMMENT ON COLUMN falukeys.mode_settings.process_payments IS 'Are payments processed by card networks and payment providers?';
COMMENT ON COLUMN falukeys.mode_settings.deliver_messages IS 'Are messages processed by mobile network providers?';
COMMENT ON COLUMN falukeys.mode_settings.verify_identities IS 'Does identity perform its verification checks?';
COMMENT ON COLUMN falukeys.mode_settings.webhook_max_attempts IS 'How often a webhook that is not acknowledged is retried; NULL: as often as the window allows';
COMMENT ON COLUMN falukeys.mode_settings.webhook_retry_window IS 'For how long a webhook that is not acknowledged is retried';

INSERT INTO falukeys.mode_settings VALUES
	('live', true, true, true, NULL, '72 hours'),
	('test', false, false, false, 3, '3 hours');

CREATE FUNCTION falukeys.create_workspace(name text, administrator regrole DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_create';
COMMENT ON FUNCTION falukeys.create_workspace(text, regrole) IS 'Creates a workspace with its test pair, and answers its id; administrator is its first member. 42501 for an operator that names itself. Superusers and operators';

CREATE FUNCTION falukeys.approve_workspace(workspace text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_approve';
COMMENT ON FUNCTION falukeys.approve_workspace(text) IS 'Gives a pending workspace its live pair, the secret sealed until its first reveal. 55000 where it is suspended or closed. Superusers and operators';

CREATE FUNCTION falukeys.suspend_workspace(workspace text, reason text DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_suspend';
COMMENT ON FUNCTION falukeys.suspend_workspace(text, text) IS 'Live keys of the workspace are refused until resume_workspace; test keys work. 55000 where it is closed. Superusers and operators';

CREATE FUNCTION falukeys.resume_workspace(workspace text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_resume';
COMMENT ON FUNCTION falukeys.resume_workspace(text) IS 'Restores the state that a suspended workspace had before; 55000 where it is not suspended. Superusers and operators';

CREATE FUNCTION falukeys.close_workspace(workspace text, reason text DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_close';
COMMENT ON FUNCTION falukeys.close_workspace(text, text) IS 'Every key of the workspace is refused, for good. A NOTICE where it is closed already. Superusers and operators';

CREATE FUNCTION falukeys.describe_workspace(workspace text, name text DEFAULT NULL, meta jsonb DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_describe';
COMMENT ON FUNCTION falukeys.describe_workspace(text, text, jsonb) IS 'Sets the name or the meta of a workspace; NULL leaves as it is. 22023 for nothing to change, or beyond their limits. Operators, managers and administrators of the workspace';

CREATE FUNCTION falukeys.add_member(workspace text, member regrole, role falukeys.workspace_role) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_add_member';
COMMENT ON FUNCTION falukeys.add_member(text, regrole, falukeys.workspace_role) IS 'Adds a role to a workspace, or changes what it may do there. 22023 for an unknown role, 55000 where it would demote the last administrator. Administrators of the workspace';

CREATE FUNCTION falukeys.remove_member(workspace text, member regrole) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'workspaces_remove_member';
COMMENT ON FUNCTION falukeys.remove_member(text, regrole) IS 'Takes a database role out of a workspace; 42704 where it is no member, 55000 where it is the last administrator. Administrators of the workspace, managers and superusers';
