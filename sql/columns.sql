--
-- Tables and types that have gained columns since the library was built
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission('columns');
SELECT falukeys.create_workspace('Columns') AS workspace \gset
SELECT id AS plain_id, key AS plain FROM falukeys.create_key(:'workspace', 'secret', 'test', meta => '{"plan": "gold"}')
	\gset
SELECT id AS bound_id, key AS bound FROM falukeys.create_key(:'workspace', 'secret', 'test', NULL, '{columns}',
	'{192.0.2.0/24}') \gset
SELECT key AS temporary FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}') \gset
SELECT id AS old_id, key AS old FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id = :'old_id' AS rolled FROM falukeys.roll_key(:'old_id', '1 hour');

PREPARE ask AS SELECT code, meta FROM falukeys.verify_key(:'plain');
PREPARE ask_row AS SELECT (falukeys.verify_key(:'plain')).code;
PREPARE ask_bound AS SELECT code FROM falukeys.verify_key(:'bound', 'columns', '192.0.2.1');
PREPARE ask_temporary AS SELECT code FROM falukeys.verify_key(:'temporary', object_id => 'object');
PREPARE ask_old AS SELECT code FROM falukeys.verify_key(:'old');
PREPARE ask_allows AS SELECT falukeys.key_allows(:'bound', 'columns', '192.0.2.1');
PREPARE take AS SELECT code, meta FROM falukeys.authenticate(:'plain');
PREPARE settings AS SELECT mode, process_payments FROM falukeys.current_mode_settings();

BEGIN;
EXECUTE ask;
EXECUTE ask_row;
EXECUTE ask_bound;
EXECUTE ask_temporary;
EXECUTE ask_old;
EXECUTE ask_allows;
EXECUTE take;
EXECUTE settings;

-- One column each; rows that are there have it without being written.
ALTER TABLE falukeys.keys ADD COLUMN note text DEFAULT 'a note', ADD COLUMN dropped bigint DEFAULT 1;
ALTER TABLE falukeys.keys DROP COLUMN dropped;
ALTER TABLE falukeys.keys ADD COLUMN after integer DEFAULT 7 NOT NULL;
ALTER TABLE falukeys.workspaces ADD COLUMN note text DEFAULT 'a note';
ALTER TABLE falukeys.members ADD COLUMN note text DEFAULT 'a note';
ALTER TABLE falukeys.retired_secrets ADD COLUMN note text DEFAULT 'a note';
ALTER TABLE falukeys.sealed_secrets ADD COLUMN note text DEFAULT 'a note';
ALTER TABLE falukeys.key_permissions ADD COLUMN note text DEFAULT 'a note';
ALTER TABLE falukeys.key_networks ADD COLUMN note text DEFAULT 'a note';
ALTER TABLE falukeys.key_objects ADD COLUMN note text DEFAULT 'a note';
ALTER TABLE falukeys.mode_settings ADD COLUMN note text DEFAULT 'a note';
ALTER TYPE falukeys.verdict ADD ATTRIBUTE note text, ADD ATTRIBUTE dropped integer;
ALTER TYPE falukeys.verdict DROP ATTRIBUTE dropped;
ALTER TYPE falukeys.verdict ADD ATTRIBUTE after integer;

EXECUTE ask;
EXECUTE ask_row;
EXECUTE ask_bound;
EXECUTE ask_temporary;
EXECUTE ask_old;
EXECUTE ask_allows;
EXECUTE take;
EXECUTE settings;
SELECT code, meta, note, after FROM falukeys.verify_key(:'plain');
SELECT code, key_id, note, after FROM falukeys.verify_key('no key');
SELECT mode, deliver_messages, note FROM falukeys.current_mode_settings();

-- A new row has all of them.
SELECT id AS new_id, key AS new FROM falukeys.create_key(:'workspace', 'secret', 'test', meta => '{"plan": "new"}')
	\gset
SELECT code, meta FROM falukeys.verify_key(:'new');
SELECT falukeys.annotate_key(:'plain_id', 'annotated');
EXECUTE ask;
SELECT falukeys.reveal_key(:'new_id') = :'new' AS revealed;
SELECT falukeys.wait_for_key(:'old_id');
ROLLBACK;

-- What was known is not to be guessed at where it is gone or is something else.
BEGIN;
ALTER TYPE falukeys.verdict DROP ATTRIBUTE expires_at;
EXECUTE ask;
ROLLBACK;
BEGIN;
ALTER TYPE falukeys.verdict DROP ATTRIBUTE meta;
ALTER TYPE falukeys.verdict ADD ATTRIBUTE meta text;
SELECT code FROM falukeys.verify_key(:'plain');
ROLLBACK;
BEGIN;
ALTER TYPE falukeys.verdict DROP ATTRIBUTE meta;
SELECT falukeys.authenticate(:'plain');
ROLLBACK;

-- Long ones are stored out of line.
SELECT key AS long FROM falukeys.create_key(:'workspace', 'secret', 'test',
	meta => jsonb_build_object('long', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i))) \gset
SELECT code, length(meta ->> 'long') FROM falukeys.verify_key(:'long');
SELECT falukeys.key_allows(:'long', NULL, NULL);
EXECUTE ask;
DEALLOCATE ALL;
