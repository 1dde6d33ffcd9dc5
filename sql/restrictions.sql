--
-- What a key is restricted to: permissions, networks, objects
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission(name)
	FROM unnest('{orders,orders.read,orders.read.own,orders.write,order,ordersx,payments}'::text[]) name;
SELECT falukeys.create_workspace('Restrictions') AS workspace \gset
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset

-- Unrestricted: anything, from anywhere, known to the catalog or not
SELECT permission, code FROM unnest('{orders.read,payments,never.defined}'::text[]) permission,
	falukeys.verify_key(:'key', permission) ORDER BY 1;
SELECT code FROM falukeys.verify_key(:'key', client => '192.0.2.1');

--
-- Permissions: orders covers orders.read, and orders.read does not cover orders
--
SELECT falukeys.restrict_key(:'key_id', '{orders}');
SELECT permissions_restricted, networks_restricted FROM falukeys.keys WHERE id = :'key_id';
CREATE TABLE restrictions_asked (permission text);
INSERT INTO restrictions_asked VALUES
	(NULL), ('orders'), ('orders.read'), ('orders.read.own'), ('orders.write'), ('orders.never.defined'),
	('order'), ('ordersx'), ('orders_read'), ('Orders'), ('.orders'), ('payments'), ('payments.orders'),
	('never.defined'), ('');
SELECT permission, code, valid FROM restrictions_asked, falukeys.verify_key(:'key', permission)
	ORDER BY permission COLLATE "C";
SELECT falukeys.restrict_key(:'key_id', '{orders.read,payments}');
SELECT permission, code, valid FROM restrictions_asked, falukeys.verify_key(:'key', permission)
	ORDER BY permission COLLATE "C";
-- it replaces, and once is enough
SELECT falukeys.restrict_key(:'key_id', '{orders.write,orders.write}');
SELECT permission FROM falukeys.key_permissions WHERE key_id = :'key_id';

--
-- Networks
--
SELECT falukeys.restrict_key(:'key_id',
	networks => '{192.0.2.0/24,198.51.100.7/32,2001:db8:1::/48,::ffff:203.0.113.0/120}');
SELECT permissions_restricted, networks_restricted FROM falukeys.keys WHERE id = :'key_id';
SELECT permission FROM falukeys.key_permissions WHERE key_id = :'key_id';
SELECT falukeys.clear_permissions(:'key_id');
CREATE TABLE restrictions_client (client inet);
INSERT INTO restrictions_client VALUES
	(NULL),
	('192.0.2.0'), ('192.0.2.255'), ('192.0.3.0'), ('192.0.1.255'),
	('198.51.100.7'), ('198.51.100.6'), ('198.51.100.8'),
	-- not a single address
	('192.0.2.0/24'), ('192.0.2.1/24'), ('192.0.2.0/31'), ('0.0.0.0/0'), ('198.51.100.7/31'),
	('2001:db8:1::1/64'), ('2001:db8:1::/48'), ('::/0'), ('::ffff:192.0.2.1/120'),
	-- IPv6
	('2001:db8:1::'), ('2001:db8:1:ffff:ffff:ffff:ffff:ffff'), ('2001:db8:2::'), ('2001:db8::'), ('::'), ('::1'),
	-- IPv4 in IPv6, on either side
	('::ffff:192.0.2.1'), ('::ffff:192.0.3.1'), ('::ffff:198.51.100.7'), ('::fffe:192.0.2.1'), ('::192.0.2.1'),
		('::1:ffff:192.0.2.1'),
	('203.0.113.1'), ('::ffff:203.0.113.255'), ('203.0.114.1'), ('203.0.112.255');
SELECT client, code FROM restrictions_client, falukeys.verify_key(:'key', client => client) ORDER BY client;

-- Everything of one family is nothing of the other.
SELECT falukeys.restrict_key(:'key_id', networks => '{0.0.0.0/0}');
SELECT client, code FROM restrictions_client, falukeys.verify_key(:'key', client => client)
 WHERE client IN ('192.0.2.0', '2001:db8:1::', '::ffff:192.0.2.1', '::') ORDER BY client;
SELECT falukeys.restrict_key(:'key_id', networks => '{::/0}');
SELECT client, code FROM restrictions_client, falukeys.verify_key(:'key', client => client)
 WHERE client IN ('192.0.2.0', '2001:db8:1::', '::ffff:192.0.2.1', '::') ORDER BY client;
-- The whole of the mapped range is the whole of IPv4.
SELECT falukeys.restrict_key(:'key_id', networks => '{::ffff:0:0/96}');
SELECT client, code FROM restrictions_client, falukeys.verify_key(:'key', client => client)
 WHERE client IN ('192.0.2.0', '2001:db8:1::', '::ffff:192.0.2.1', '::') ORDER BY client;

--
-- Clearing takes both back to unrestricted.
--
SELECT falukeys.restrict_key(:'key_id', '{orders}', '{192.0.2.0/24}');
SELECT permission, client, code
  FROM (VALUES ('orders', '192.0.2.1'::inet), ('payments', '192.0.2.1'), ('orders', '192.0.3.1'),
      ('payments', '192.0.3.1')) asked(permission, client),
       falukeys.verify_key(:'key', permission, client) ORDER BY 1, 2;
SELECT falukeys.clear_permissions(:'key_id');
SELECT code FROM falukeys.verify_key(:'key', 'payments', '192.0.2.1');
SELECT code FROM falukeys.verify_key(:'key', 'payments', '192.0.3.1');
SELECT falukeys.clear_networks(:'key_id');
SELECT code FROM falukeys.verify_key(:'key', 'payments', '192.0.3.1');
SELECT permissions_restricted, networks_restricted FROM falukeys.keys WHERE id = :'key_id';
SELECT (SELECT count(*) FROM falukeys.key_permissions WHERE key_id = :'key_id') AS permissions,
       (SELECT count(*) FROM falukeys.key_networks WHERE key_id = :'key_id') AS networks;
-- nothing to clear
SELECT falukeys.clear_permissions(:'key_id');
SELECT falukeys.clear_networks(:'key_id');

--
-- Losing rows never opens a key: restricted with no rows left permits nothing.
--
SELECT falukeys.restrict_key(:'key_id', '{orders}', '{192.0.2.0/24}');
DELETE FROM falukeys.key_permissions WHERE key_id = :'key_id';
SELECT permissions_restricted FROM falukeys.keys WHERE id = :'key_id';
SELECT permission, code FROM unnest('{orders,orders.read,payments}'::text[]) permission,
	falukeys.verify_key(:'key', permission, '192.0.2.1') ORDER BY 1;
DELETE FROM falukeys.key_networks WHERE key_id = :'key_id';
SELECT networks_restricted FROM falukeys.keys WHERE id = :'key_id';
SELECT client, code FROM restrictions_client, falukeys.verify_key(:'key', client => client)
 WHERE client IN ('192.0.2.0', '2001:db8:1::', '::') OR client IS NULL ORDER BY client;
SELECT falukeys.clear_networks(:'key_id');
SELECT code FROM falukeys.verify_key(:'key', 'orders', '192.0.2.1');
SELECT falukeys.restrict_key(:'key_id', '{orders}');
SELECT code FROM falukeys.verify_key(:'key', 'orders', '192.0.2.1');
SELECT falukeys.clear_permissions(:'key_id');

--
-- Refusals
--
SELECT falukeys.restrict_key(:'key_id', '{}');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.restrict_key(:'key_id', networks => '{}');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.restrict_key(:'key_id', '{orders,NULL}');
SELECT falukeys.restrict_key(:'key_id', networks => '{192.0.2.0/24,NULL}');
SELECT falukeys.restrict_key(:'key_id', '{orders,never.defined}');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.restrict_key(NULL, '{orders}');
SELECT falukeys.restrict_key('key_000000000000000000000000000', '{orders}');
SELECT falukeys.clear_permissions(NULL);
SELECT falukeys.clear_permissions('key_000000000000000000000000000');
SELECT falukeys.clear_networks(NULL);
SELECT falukeys.clear_networks('key_000000000000000000000000000');
SELECT id AS public FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'public' \gset
SELECT falukeys.restrict_key(:'public', '{orders}');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.restrict_key(:'public', networks => '{192.0.2.0/24}');
-- what was refused changed nothing
SELECT permissions_restricted, networks_restricted FROM falukeys.keys WHERE id IN (:'key_id', :'public') ORDER BY kind;
SELECT code FROM falukeys.verify_key(:'key', 'payments', '192.0.3.1');

-- A permission in use stays; out of use it may go.
SELECT falukeys.restrict_key(:'key_id', '{orders.read.own}');
DELETE FROM falukeys.permissions WHERE name = 'orders.read.own';
UPDATE falukeys.permissions SET name = 'orders.read.any' WHERE name = 'orders.read.own';
SELECT falukeys.clear_permissions(:'key_id');
DELETE FROM falukeys.permissions WHERE name = 'orders.read.own';
SELECT count(*) FROM falukeys.permissions WHERE name = 'orders.read.own';

--
-- A temporary key: its objects, and permissions and networks besides
--
SELECT key AS temporary FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1,"message 2"}') \gset
SELECT object, code FROM (VALUES ('message_1'), ('message 2'), ('message'), ('message_11'), ('MESSAGE_1'), (''),
	(NULL)) asked(object),
       falukeys.verify_key(:'temporary', object_id => object) ORDER BY object COLLATE "C";
SELECT id AS narrow_id, key AS narrow
	FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', '{orders.read}', '{192.0.2.0/24}') \gset
SELECT permission, client, object, code
  FROM unnest('{orders.read,orders.write}'::text[]) permission, unnest('{192.0.2.1,192.0.3.1}'::inet[]) client,
      unnest('{message_1,message_2}'::text[]) object,
       falukeys.verify_key(:'narrow', permission, client, object) ORDER BY 1, 2, 3;
DELETE FROM falukeys.key_objects WHERE key_id = :'narrow_id';
SELECT code FROM falukeys.verify_key(:'narrow', 'orders.read', '192.0.2.1', 'message_1');
-- Other keys have no objects: whatever is asked is theirs.
SELECT code FROM falukeys.verify_key(:'key', object_id => 'message_1');

DROP TABLE restrictions_asked, restrictions_client;
