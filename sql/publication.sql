--
-- Publishing keys to other databases.  What subscribers do with it is in
-- t/027_subscription.pl.
--
\set VERBOSITY sqlstate
-- Also of a wal_level that is too low
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS falukeys;
CREATE ROLE regress_falukeys_publisher;
CREATE ROLE regress_falukeys_operator;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_operator', 'manager');

-- The name
SELECT falukeys.publish_keys(NULL);
SELECT falukeys.publish_keys('');
SELECT falukeys.publish_keys(repeat('k', 64));
SELECT falukeys.publish_keys(repeat('k', 1000000));
SELECT falukeys.publish_keys('"; DROP TABLE falukeys.keys; --');
SELECT pubname FROM pg_publication;
DROP PUBLICATION """; DROP TABLE falukeys.keys; --";

-- What it has; and every table can say which row was changed
CREATE VIEW published AS
	SELECT pubname, string_agg(tablename, ' ' ORDER BY tablename COLLATE "C") AS tables
	FROM pg_publication_tables GROUP BY pubname;
SELECT falukeys.publish_keys('Falu keys');
SELECT * FROM published;
SELECT relname, relreplident
FROM pg_publication_tables JOIN pg_class ON relname = tablename AND relnamespace = schemaname::regnamespace
WHERE relreplident <> 'd' OR NOT EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)
ORDER BY relname COLLATE "C";
SELECT id, clock_timestamp() - at < '1 hour' AS now FROM falukeys.heartbeat;

-- Again
SET client_min_messages = notice;
\set VERBOSITY terse
SELECT falukeys.publish_keys('Falu keys');
\set VERBOSITY sqlstate
SET client_min_messages = error;
-- Completed, with the tables that the administrator has put there himself
CREATE TABLE mine (id integer PRIMARY KEY);
ALTER PUBLICATION "Falu keys" DROP TABLE falukeys.workspaces, falukeys.heartbeat;
ALTER PUBLICATION "Falu keys" DROP TABLE falukeys.keys;
ALTER PUBLICATION "Falu keys" ADD TABLE mine, falukeys.keys WHERE (NOT disabled);
ALTER PUBLICATION "Falu keys" SET (publish = 'insert');
SELECT falukeys.publish_keys('Falu keys');
SELECT * FROM published;
SELECT rowfilter FROM pg_publication_tables WHERE rowfilter IS NOT NULL;
SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication WHERE pubname = 'Falu keys';
-- Never with these
ALTER PUBLICATION "Falu keys" ADD TABLE falukeys.sealed_secrets;
SELECT falukeys.publish_keys('Falu keys');
CREATE PUBLICATION everything FOR ALL TABLES;
SELECT falukeys.publish_keys('everything');
DROP PUBLICATION everything;
ALTER PUBLICATION "Falu keys" DROP TABLE falukeys.sealed_secrets;
-- Nor one of somebody who could take tables out of it again
ALTER ROLE regress_falukeys_publisher SUPERUSER;
SET ROLE regress_falukeys_publisher;
CREATE PUBLICATION theirs;
RESET ROLE;
ALTER ROLE regress_falukeys_publisher NOSUPERUSER;
SELECT falukeys.publish_keys('theirs');
SELECT * FROM published WHERE pubname = 'theirs';
DROP PUBLICATION theirs;

-- Undone with the transaction, or the savepoint
BEGIN;
SAVEPOINT before;
SELECT falukeys.publish_keys('second');
ROLLBACK TO before;
ROLLBACK;
SELECT pubname FROM pg_publication;

-- Who
SET ROLE regress_falukeys_operator;
SELECT falukeys.publish_keys('stolen');
RESET ROLE;
-- The server has the last word: this one owns neither the database nor the tables.
GRANT EXECUTE ON FUNCTION falukeys.publish_keys TO regress_falukeys_publisher;
SET ROLE regress_falukeys_publisher;
SELECT falukeys.publish_keys('stolen');
SELECT falukeys.publish_keys('Falu keys');
RESET ROLE;
SELECT format('GRANT CREATE ON DATABASE %I TO regress_falukeys_publisher', current_catalog) \gexec
SET ROLE regress_falukeys_publisher;
SELECT falukeys.publish_keys('stolen');
RESET ROLE;
SELECT pubname FROM pg_publication;
BEGIN READ ONLY;
SELECT falukeys.publish_keys('Falu keys');
ROLLBACK;

-- Others do not touch the heartbeat, and no one empties it.
GRANT pg_write_all_data TO regress_falukeys_publisher;
SET ROLE regress_falukeys_publisher;
UPDATE falukeys.heartbeat SET at = 'infinity';
RESET ROLE;
-- Nor where triggers do not fire, as rows arrive by a subscription that runs as its owner
SET session_replication_role = replica;
SET ROLE regress_falukeys_publisher;
UPDATE falukeys.heartbeat SET at = 'infinity';
INSERT INTO falukeys.permissions (name) VALUES ('forged');
INSERT INTO falukeys.members (workspace_id, member, role)
	VALUES ('forged', 'regress_falukeys_publisher', 'administrator');
RESET ROLE;
RESET session_replication_role;
TRUNCATE falukeys.heartbeat;
INSERT INTO falukeys.heartbeat (id, at) VALUES ('other', now());
INSERT INTO falukeys.heartbeat (at) VALUES (now());

-- Without the extension a publication is left that publishes nothing of it.
BEGIN;
DROP EXTENSION falukeys CASCADE;
SELECT * FROM published;
ROLLBACK;

DROP PUBLICATION "Falu keys";
DELETE FROM falukeys.heartbeat;
DROP VIEW published;
DROP TABLE mine;
DROP OWNED BY regress_falukeys_publisher, regress_falukeys_operator;
DROP ROLE regress_falukeys_publisher, regress_falukeys_operator;
