# Whatever keeps a subscriber from what its authority commits makes it stale: what
# is done to publications, subscriptions, and the processes that send heartbeats.
# That all is well again otherwise, and how it is meant to be: 027_subscription.pl.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $LIMIT = 3;
my $node = new_server('server', init => { allows_streaming => 'logical' }, conf => <<CONF);
shared_preload_libraries = 'falukeys'
falukeys.max_standby_lag = ${LIMIT}s
wal_retrieve_retry_interval = 100ms
max_logical_replication_workers = 20
max_replication_slots = 30
max_wal_senders = 30
max_worker_processes = 30
CONF
my $version = int(query($node, 'SHOW server_version_num') / 10000);

my ($workspace, $id, $key);

sub new_database
{
	query($node, "CREATE DATABASE $_[0]");
	query($node, 'CREATE EXTENSION falukeys', $_[0]);
	return;
}

# Another key than before
sub create_key
{
	($id, $key) = split(/\|/, query($node,
		"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')", 'authority'));
	return;
}

sub revoke { return query($node, "SELECT falukeys.revoke_key('$id')", 'authority'); }

# CREATE SUBSCRIPTION on the same server would wait for itself with a slot to make.
sub subscribe
{
	my ($database, $to, $publication, $more) = @_;

	$to ||= 'authority';
	query($node, "SELECT pg_create_logical_replication_slot('$database', 'pgoutput')", $to);
	query($node, "CREATE SUBSCRIPTION $database CONNECTION '" . $node->connstr . " dbname=$to' PUBLICATION "
		. ($publication || 'keys') . ' WITH (create_slot = false' . ($more || '') . ')', $database);
	return;
}

sub unsubscribe
{
	my ($database, $to) = @_;

	query($node, "ALTER SUBSCRIPTION $database DISABLE", $database);
	query($node, "ALTER SUBSCRIPTION $database SET (slot_name = NONE)", $database);
	query($node, "DROP SUBSCRIPTION $database", $database);
	$node->poll_query_until('postgres',
		"SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$database'") or die;
	query($node, "SELECT pg_drop_replication_slot('$database')", $to || 'authority');
	return;
}

# As doc/scaling.md has it
sub subscribe_anew
{
	my ($database) = @_;

	query($node, "ALTER SUBSCRIPTION $database DISABLE; ALTER SUBSCRIPTION $database SET (slot_name = NONE); BEGIN; "
		. 'SET LOCAL session_replication_role = replica;'
		. ' TRUNCATE falukeys.workspaces, falukeys.members, falukeys.permissions, '
		. 'falukeys.keys, falukeys.retired_secrets, falukeys.sealed_secrets, '
		. 'falukeys.key_permissions, falukeys.key_networks, '
		. "falukeys.key_objects, falukeys.heartbeat; DROP SUBSCRIPTION $database; COMMIT", $database);
	$node->poll_query_until('postgres',
		"SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$database'") or die;
	query($node, "SELECT pg_drop_replication_slot('$database')", 'authority');
	subscribe($database);
	return;
}

sub becomes
{
	my ($database, $code, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return ok($node->poll_query_until($database, "SELECT code FROM falukeys.verify_key('$key')", $code),
		"$database: $what: $code");
}

# A key that is revoked now is not valid any more after the limit and a heartbeat.
sub is_stale
{
	my ($database, $what, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	revoke();
	sleep($LIMIT * 4 / 3 + 0.5);
	return is_code($node, $key, $expected || 'stale_standby', "$database: $what", $database);
}

new_database($_) foreach ('authority', 'app');
$workspace = new_workspace($node, 'Everywhere', 'authority');
query($node, "SELECT falukeys.publish_keys('keys')", 'authority');
subscribe('app');
create_key();
becomes('app', 'valid', 'all is well');

#
# A publication that lacks something says nothing
#
foreach my $change ('DROP TABLE falukeys.keys', 'DROP TABLE falukeys.key_permissions',
	"SET (publish = 'insert, update')",
	'DROP TABLE falukeys.workspaces;'
	  . ' ALTER PUBLICATION keys ADD TABLE falukeys.workspaces (id, name, state, created_at)',
	'DROP TABLE falukeys.keys; ALTER PUBLICATION keys ADD TABLE falukeys.keys WHERE (revoked_at IS NULL)')
{
	query($node, "ALTER PUBLICATION keys $change", 'authority');
	# What has a filter of rows that are updated takes no updates.
	attempt($node, "SELECT falukeys.revoke_key('$id')", 'authority');
	sleep($LIMIT * 4 / 3 + 0.5);
	is_code($node, $key, 'stale_standby', "after ALTER PUBLICATION keys $change", 'app');
	like(slurp_file($node->logfile),
		qr/no heartbeat, since publication "keys" lacks.*\n.*HINT: .*publish_keys\('keys'\)/,
		'and the log says why');
	query($node, "SELECT falukeys.publish_keys('keys')", 'authority');
	sleep($LIMIT);
	is_code($node, $key, 'stale_standby', 'what was missed meanwhile is not there', 'app');
	create_key();
	subscribe_anew('app');
	becomes('app', 'valid', 'subscribed anew');
}

#
# What is copied, and what is not
#
my $elsewhere = qr/keys of this database are managed elsewhere/;
my $by_hand = "SET session_replication_role = replica";

query($node, 'ALTER PUBLICATION keys DROP TABLE falukeys.keys', 'authority');
query($node, 'ALTER SUBSCRIPTION app REFRESH PUBLICATION', 'app');
is_stale('app', 'keys are not subscribed to any more');
refused($node, "SELECT falukeys.create_workspace('Here')", '55000', $elsewhere, 'and nothing is changed there', 'app');

# While keys are copied again, and that fails, what is published from there is not recent either.
query($node, "SELECT falukeys.publish_keys('keys')", 'authority');
create_key();
subscribe_anew('app');
becomes('app', 'valid', 'subscribed anew');
query($node, "SELECT falukeys.publish_keys('further')", 'app');
new_database('chain');
subscribe('chain', 'app', 'further');
becomes('chain', 'valid', 'a subscriber of a subscriber');
query($node, 'ALTER PUBLICATION keys DROP TABLE falukeys.keys', 'authority');
query($node, 'ALTER SUBSCRIPTION app REFRESH PUBLICATION', 'app');
query($node, 'ALTER PUBLICATION keys ADD TABLE falukeys.keys', 'authority');
query($node, 'ALTER SUBSCRIPTION app REFRESH PUBLICATION', 'app');
is_stale('chain', 'where it comes from is not in step');
is_code($node, $key, 'stale_standby', 'app: as it is itself', 'app');
query($node, "$by_hand; DELETE FROM falukeys.keys", 'app');
becomes($_, 'revoked', 'in step again') foreach ('app', 'chain');
unsubscribe('chain', 'app');

# Between two subscriptions
new_database('gap');
create_key();
subscribe('gap');
becomes('gap', 'valid', 'all is well');
unsubscribe('gap');
revoke();
subscribe('gap', undef, undef, ', copy_data = false');
sleep($LIMIT * 4 / 3 + 0.5);
is_code($node, $key, 'stale_standby', 'gap: what was missed is not copied', 'gap');
like(query($node, "SELECT string_agg(hint, ' ') FROM falukeys.health() WHERE item = 'subscription'", 'gap'),
	qr/Table falukeys.keys was not copied/, 'health() says so');
unsubscribe('gap');

#
# Without a subscription
#
create_key();
new_database('dropped');
subscribe('dropped');
becomes('dropped', 'valid', 'all is well');
my $session = session($node, 'dropped');
is((session_attempt($session, "SELECT code FROM falukeys.verify_key('$key')"))[2], 'valid',
	'dropped: also for a session');
unsubscribe('dropped');
is((session_attempt($session, "SELECT code FROM falukeys.verify_key('$key')"))[2], 'stale_standby',
	'dropped: the subscription is dropped');
is_stale('dropped', 'and stays so');
refused($node, $_, '55000', qr/were managed elsewhere.*HINT: .*publish_keys/s, "dropped: $_", 'dropped')
  foreach "SELECT falukeys.create_workspace('Here')", 'UPDATE falukeys.heartbeat SET at = now()',
  'UPDATE falukeys.keys SET disabled = false';
like(query($node, "SELECT state || hint FROM falukeys.health() WHERE item = 'subscription'", 'dropped'),
	qr/error.*publish_keys/, 'health() says so');
query($node, 'BEGIN; SELECT falukeys.publish_keys(\'keys\'); ROLLBACK', 'dropped');
is_code($node, $key, 'stale_standby', 'dropped: nothing is decided yet', 'dropped');
query($node, "SELECT falukeys.publish_keys('keys')", 'dropped');
is((session_attempt($session, "SELECT code FROM falukeys.verify_key('$key')"))[2], 'valid',
	'dropped: it is managed there now');
query($node, "SELECT falukeys.revoke_key('$id')", 'dropped');
is_code($node, $key, 'revoked', 'dropped: and changed', 'dropped');
$session->quit;

# A copy of a database has its subscription's tables, but not the subscription.
create_key();
becomes('app', 'valid', 'before it is copied');
query($node, 'ALTER SUBSCRIPTION app DISABLE', 'app');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_activity'
	. " WHERE datname = 'app' AND backend_type NOT LIKE 'falukeys %'") or die;
query($node, 'CREATE DATABASE copy TEMPLATE app');
query($node, 'ALTER SUBSCRIPTION app ENABLE', 'app');
is_code($node, $key, 'stale_standby', 'copy: a copy of a subscriber', 'copy');
is_stale('app', 'it gets what is done', 'revoked');

# Nobody stops a database from managing keys who may just make subscriptions.
query($node, 'CREATE ROLE mallory SUPERUSER');
query($node, "SELECT pg_create_logical_replication_slot('mallory', 'pgoutput')", 'dropped');
query($node, "SET ROLE mallory; CREATE SUBSCRIPTION mallory CONNECTION '" . $node->connstr
	. " dbname=dropped' PUBLICATION keys WITH (create_slot = false, enabled = false)", 'authority');
refused($node, "SELECT falukeys.create_workspace('Here')", '55000', $elsewhere, 'a superuser subscribes', 'authority');
query($node, 'ALTER ROLE mallory NOSUPERUSER', 'authority');
create_key();
is_code($node, $key, 'valid', 'authority: one that may not change keys does not', 'authority');
becomes('app', 'valid', 'heartbeats go on');
query($node,
	"ALTER ROLE mallory SUPERUSER; ALTER SUBSCRIPTION mallory SET (slot_name = NONE); DROP SUBSCRIPTION mallory",
	'authority');
query($node, "SELECT pg_drop_replication_slot('mallory')", 'dropped');

#
# Slots that are of no concern to us
#
query($node, 'CREATE DATABASE other');
query($node, "SELECT pg_create_logical_replication_slot('other', 'pgoutput')", 'other');
configure($node, log_min_messages => 'debug1');
sleep(3);
my $started = () = slurp_file($node->logfile) =~ /registering background worker "falukeys usage worker/g;
cmp_ok($started, '<', 5, 'a database without the extension has no endless row of workers');
configure($node, log_min_messages => 'warning');
query($node, "SELECT pg_drop_replication_slot('other')", 'other');

#
# More databases that publish than there is room for workers
#
foreach my $database ('few1', 'few2', 'few3')
{
	new_database($database);
	query($node, "SELECT falukeys.publish_keys('keys')", $database);
	query($node, "SELECT pg_create_logical_replication_slot('$database', 'pgoutput')", $database);
}
# The launcher, that of subscriptions, the subscription, and one for all four
$node->append_conf('postgresql.conf', "max_worker_processes = 4\n");
$node->restart;
foreach my $database ('few1', 'few2', 'few3', 'authority')
{
	my $at = query($node, 'SELECT at FROM falukeys.heartbeat', $database);

	ok($node->poll_query_until($database, "SELECT at > '$at' FROM falukeys.heartbeat"),
		"$database: heartbeats where workers take turns");
}

done_testing();
