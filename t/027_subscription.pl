# Keys are managed in one database and verified in others, to which they come by
# logical replication.  FALUKEYS_OTHER_PG names the directory of another release
# of PostgreSQL, with its own falukeys, on which one of the subscribers then is.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $LIMIT = 6;
my $KEYS = $ENV{FALUKEYS_SYNC_KEYS} || 20_000;
my $CONF = <<CONF;
falukeys.max_standby_lag = ${LIMIT}s
wal_retrieve_retry_interval = 200ms
wal_receiver_status_interval = 1s
CONF

my $authority = new_server('authority', init => { allows_streaming => 'logical' },
	conf => "shared_preload_libraries = 'falukeys'\n$CONF");
my $one = new_server('one', init => { allows_streaming => 'logical' }, conf => "shared_preload_libraries = 'falukeys'\n"
	. "falukeys.usage_flush_interval = 100ms\n$CONF");
my $two = new_server('two', conf => $CONF, install_path => $ENV{FALUKEYS_OTHER_PG});
my @subscribers = ($one, $two);

my ($workspace, %id, %key);

sub create_key
{
	my ($name, $arguments) = @_;

	($id{$name}, $key{$name}) = split(/\|/,
		query($authority, "SELECT * FROM falukeys.create_key('$workspace', 'secret', $arguments)"));
	return;
}

sub subscribe
{
	my ($node, $to) = @_;

	query($node, 'CREATE SUBSCRIPTION ' . $node->name . " CONNECTION '"
		. $to->connstr . " dbname=postgres' PUBLICATION keys");
	return;
}

# What verify_key answers comes to be this code.
sub becomes
{
	my ($node, $key, $code, $what, $arguments) = @_;
	my $question = join(', ', "'$key'", $arguments || ());

	return ok($node->poll_query_until('postgres', "SELECT code FROM falukeys.verify_key($question)", $code),
		$node->name . ": $what");
}

# Everything that was committed on the authority by now has arrived.
sub catch_up
{
	$authority->wait_for_catchup($_->name) foreach @_;
	return;
}

# Keys in bulk, as a restore brings them
sub fill
{
	query($authority, <<SQL);
SET session_replication_role = replica;
INSERT INTO falukeys.keys (id, workspace_id, secret, kind, mode, created_at, created_by)
	SELECT 'key_' || lpad(n::text, 27, '0'), '$workspace', falukeys.apikey_of('fskt_' || md5(n::text)),
		'secret', 'test', now(), current_user
	FROM generate_series(1, $KEYS) AS n
SQL
	return;
}

#
# Before anything was there, and the first copy
#
$workspace = new_workspace($authority, 'Everywhere');
create_key('live', "'live'");
create_key('restricted', "'test'");
create_key('rolled', "'test'");
query($authority, "SELECT falukeys.define_permission('messages.read'), falukeys.define_permission('messages.send')");
query($authority, "SELECT falukeys.restrict_key('$id{restricted}', '{messages.read}', '{192.0.2.0/24}')");
query($authority, "UPDATE falukeys.mode_settings SET webhook_max_attempts = 7 WHERE mode = 'test'");
fill();

is_code($one, $key{live}, 'unknown', 'without a subscription a key of another database is unknown');
query($authority, "SELECT falukeys.publish_keys('keys')");
is(query($authority, "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables"),
	'heartbeat key_networks key_objects key_permissions keys mode_settings permissions retired_secrets workspaces',
	'what verification needs is published, and nothing else');

my $begun = time();
subscribe($_, $authority) foreach @subscribers;
foreach my $node (@subscribers)
{
	becomes($node, $key{live}, 'valid', 'keys have arrived');
	note sprintf('%d keys after %.1f s', $KEYS, time() - $begun);
	is(query($node, 'SELECT count(*) FROM falukeys.keys'), query($authority, 'SELECT count(*) FROM falukeys.keys'),
		$node->name . ': all of them');
	is_code($node, 'fskt_' . query($node, "SELECT md5('$KEYS')"), 'valid', $node->name . ': the last one too');
	is(query($node, "SELECT string_agg(mode || ' ' || webhook_max_attempts, ', ') FROM falukeys.mode_settings"),
		'test 7', $node->name . ': settings of the modes have replaced those that were installed');
	is(query($node, 'SELECT count(*) FROM falukeys.sealed_secrets'), 0, $node->name . ': no sealed secret is there');
	is(query($node, 'SELECT * FROM falukeys.broken_invariants()'), '', $node->name . ': no invariant is broken');
}

#
# What is done there, is seen here
#
foreach my $node (@subscribers)
{
	my $name = $node->name;

	$begun = time();
	create_key('new', "'live'");
	becomes($node, $key{new}, 'valid', 'a new key');
	note sprintf('%s: a new key is valid after %.0f ms', $name, (time() - $begun) * 1000);

	my ($permitted, $elsewhere) = ("'messages.read', '192.0.2.7'", "'messages.read', '198.51.100.7'");
	is(query($node, "SELECT (falukeys.verify_key('$key{restricted}', $_)).code"),
		$_ eq $permitted ? 'valid' : 'network_denied', "$name: a restricted key, $_")
	  foreach $permitted, $elsewhere;
	query($authority, "SELECT falukeys.restrict_key('$id{restricted}', '{messages.send}')");
	becomes($node, $key{restricted}, 'permission_denied', 'other permissions', $permitted);
	query($authority, "SELECT falukeys.restrict_key('$id{restricted}', '{messages.read}')");
	becomes($node, $key{restricted}, 'valid', 'and back', $permitted);
	query($authority, "SELECT falukeys.clear_networks('$id{restricted}')");
	becomes($node, $key{restricted}, 'valid', 'no networks', $elsewhere);
	query($authority, "SELECT falukeys.restrict_key('$id{restricted}', networks => '{192.0.2.0/24}')");
	becomes($node, $key{restricted}, 'network_denied', 'networks again', $elsewhere);

	my $old = $key{rolled};
	(undef, $key{rolled}) = split(/\|/, query($authority, "SELECT * FROM falukeys.roll_key('$id{rolled}')"));
	becomes($node, $old, 'rolled', 'a roll ends the old secret');
	is_code($node, $key{rolled}, 'valid', "$name: and brings the new one");

	# In one session, which has the state of the workspace in memory
	my $session = session($node);
	my $asks = "SELECT code FROM falukeys.verify_key('$key{live}')";
	is($session->query_safe($asks), 'valid', "$name: a live key");
	query($authority, "SELECT falukeys.suspend_workspace('$workspace')");
	catch_up($node);
	is($session->query_safe($asks), 'workspace_suspended', "$name: is refused once it is suspended")
	 ;
	is_code($node, $key{rolled}, 'valid', "$name: a test key is not");
	query($authority, "SELECT falukeys.resume_workspace('$workspace')");
	catch_up($node);
	is($session->query_safe($asks), 'valid', "$name: resumed");
	$session->quit;

	query($authority, "SELECT falukeys.revoke_key('$id{new}')");
	becomes($node, $key{new}, 'revoked', 'a revocation');
}

#
# Nothing is changed here
#
foreach my $node (@subscribers)
{
	my $name = $node->name;
	my $elsewhere = qr/managed elsewhere.*HINT:  Make the change in the database that publishes them/s;
	my @calls = ("create_workspace('Here')", "approve_workspace('$workspace')", "suspend_workspace('$workspace')",
		"close_workspace('$workspace')", "describe_workspace('$workspace', 'New')",
		"add_member('$workspace', CURRENT_USER::regrole, 'member')", "define_permission('here')",
		"create_key('$workspace', 'secret', 'test')", "create_temporary_key('$workspace', 'test', '{a}')",
		"import_key('$workspace', 'fskt_' || repeat('a', 30))", "reveal_key('$id{live}')",
		"roll_key('$id{live}')", "end_grace('$id{live}')", "disable_key('$id{live}')", "enable_key('$id{live}')",
		"revoke_key('$id{live}')", "restrict_key('$id{live}', '{messages}')", "clear_permissions('$id{restricted}')",
		"annotate_key('$id{live}', 'New')", "set_key_validity('$id{live}', now())",
		"report_compromised_key('$key{live}')", "purge_keys('1 day')");

	foreach my $call (@calls)
	{
		my ($function) = $call =~ /^(\w+)/;

		refused($node, "SELECT falukeys.$call", '55000', $elsewhere, "$name: $function is refused");
	}
	refused($node, $_, '55000', $elsewhere, "$name: $_")
	  foreach "UPDATE falukeys.keys SET disabled = true", "DELETE FROM falukeys.key_permissions",
	  "INSERT INTO falukeys.workspaces (name) VALUES ('Here')",
	  "UPDATE falukeys.mode_settings SET webhook_max_attempts = 1",
	  "UPDATE falukeys.heartbeat SET at = now()", "DELETE FROM falukeys.members";
	query($node, "CREATE ROLE checker; SELECT falukeys.grant_access('checker', 'verifier')");
	query($node, "SELECT falukeys.wait_for_key('$id{live}')");
	is(query($node, "BEGIN; CREATE TABLE message (workspace_id text, mode falukeys.key_mode, body text);"
		. " SELECT falukeys.isolate_table('message'); COMMIT; GRANT ALL ON message TO checker; SET ROLE checker; BEGIN;"
		. " SELECT FROM falukeys.authenticate('$key{live}'); INSERT INTO message (body) VALUES ('Hello'); COMMIT;"
		. " SELECT count(*) FROM message; BEGIN; SELECT FROM falukeys.authenticate('$key{live}');"
		. " SELECT falukeys.current_workspace_id(), mode, body FROM message; COMMIT") =~ s/^\s*\n//mgr,
		"0\n$workspace|live|Hello", "$name: levels of access, identity and isolation are its own");
}
ok($one->poll_query_until('postgres', "SELECT uses > 0 FROM falukeys.key_usage WHERE key_id = '$id{live}'"),
	'one: uses are counted there');
is(query($authority, "SELECT count(*) FROM falukeys.usage WHERE key_id = '$id{live}' AND uses > 0"), 0,
	'and only there');

#
# How old the keys are
#
my $beat = query($authority, 'SELECT at FROM falukeys.heartbeat');
ok($authority->poll_query_until('postgres', "SELECT at > '$beat' FROM falukeys.heartbeat"),
	'the authority writes heartbeats, where nothing is counted');
sleep($LIMIT + 1);
is_code($_, $key{live}, 'valid', $_->name . ': while nothing happens, keys are verified') foreach @subscribers;
query($authority, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
	. " WHERE backend_type IN ('falukeys usage worker', 'falukeys usage launcher')");
$beat = query($authority, 'SELECT at FROM falukeys.heartbeat');
ok($authority->poll_query_until('postgres', "SELECT at > '$beat' FROM falukeys.heartbeat"),
	'and also when its processes were ended');
$authority->stop('immediate');
$authority->start;
$beat = query($authority, 'SELECT at FROM falukeys.heartbeat');
ok($authority->poll_query_until('postgres', "SELECT at > '$beat' FROM falukeys.heartbeat"),
	'or the server has crashed');
becomes($_, $key{live}, 'valid', 'the subscription goes on') foreach @subscribers;

query($one, 'ALTER SUBSCRIPTION one DISABLE');
becomes($one, $key{live}, 'stale_standby', 'a subscription that stands still is stale');
is_code($two, $key{live}, 'valid', 'two: no other one is');
query($one, 'ALTER SUBSCRIPTION one ENABLE');
becomes($one, $key{live}, 'valid', 'it goes on');

# A heartbeat that is ahead tells nothing. (On a subscriber no one else writes it.)
query($one, 'ALTER SUBSCRIPTION one DISABLE');
$one->poll_query_until('postgres', 'SELECT pid IS NULL FROM pg_stat_subscription') or die;
query($one, 'CREATE TABLE heartbeat_before AS TABLE falukeys.heartbeat');
query($one, "SET session_replication_role = replica; UPDATE falukeys.heartbeat SET at = at + '1 hour'");
becomes($one, $key{live}, 'stale_standby', 'a clock that is too far ahead counts as stale');
query($one, "SET session_replication_role = replica; UPDATE falukeys.heartbeat SET at = 'infinity'");
is_code($one, $key{live}, 'stale_standby', 'one: and one without an end');
query($one, 'SET session_replication_role = replica; DELETE FROM falukeys.heartbeat');
is_code($one, $key{live}, 'stale_standby', 'one: and none at all');
query($one, 'SET session_replication_role = replica; INSERT INTO falukeys.heartbeat TABLE heartbeat_before');
query($one, 'ALTER SUBSCRIPTION one ENABLE');
becomes($one, $key{live}, 'valid', 'the next one counts again');

# A table that is not in step with the others
query($two, "UPDATE pg_subscription_rel SET srsubstate = 's' WHERE srrelid = 'falukeys.retired_secrets'::regclass");
is_code($two, $key{live}, 'stale_standby', 'two: while a table is being copied nothing is verified');
query($two, "UPDATE pg_subscription_rel SET srsubstate = 'r' WHERE srrelid = 'falukeys.retired_secrets'::regclass");
is_code($two, $key{live}, 'valid', 'two: then it is');

# A key before its workspace
query($one, 'ALTER SUBSCRIPTION one DISABLE');
query($one, "SET session_replication_role = replica; SET falukeys.max_standby_lag = 0;"
	. " UPDATE falukeys.keys SET workspace_id = 'wksp_' || repeat('0', 27) WHERE id = '$id{live}'");
is(query($one, "SET falukeys.max_standby_lag = 0; SELECT code FROM falukeys.verify_key('$key{live}')"),
	'workspace_closed', 'one: a key without its workspace is refused');
query($one, "SET session_replication_role = replica; UPDATE falukeys.keys SET workspace_id = '$workspace'"
	. " WHERE id = '$id{live}'");
query($one, 'ALTER SUBSCRIPTION one ENABLE');
becomes($one, $key{live}, 'valid', 'with it, it is not');

#
# A standby of a subscriber: its own age counts, and that of the subscriber
#
$one->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($one, 'base', has_streaming => 1);
$standby->start;
becomes($standby, $key{live}, 'valid', 'a standby of a subscriber verifies');
refused($standby, "SELECT falukeys.revoke_key('$id{live}')", '55000', qr/managed elsewhere/, 'and changes nothing');
query($one, 'ALTER SUBSCRIPTION one DISABLE');
becomes($standby, $key{live}, 'stale_standby', 'it is stale where the subscriber is');
query($one, 'ALTER SUBSCRIPTION one ENABLE');
becomes($standby, $key{live}, 'valid', 'and is not any more');
$standby->stop;

#
# A synchronous subscriber has what takes something away when it returns
#
configure($authority, synchronous_standby_names => 'one');
for my $round (1 .. 5)
{
	create_key('synchronous', "'live'");
	query($authority, "SELECT falukeys.disable_key('$id{synchronous}')");
	is_code($one, $key{synchronous}, 'disabled', "one: synchronous, round $round");
}
configure($authority, synchronous_standby_names => '');

#
# Rows that go
#
query($authority, 'ALTER TABLE falukeys.key_permissions DISABLE TRIGGER keep_all; TRUNCATE falukeys.key_permissions');
becomes($one, $key{restricted}, 'permission_denied', 'TRUNCATE arrives too', "'messages.read', '192.0.2.7'");
query($authority, 'ALTER TABLE falukeys.key_permissions ENABLE TRIGGER keep_all');
my $remembering = session($one);
is($remembering->query_safe("SELECT code FROM falukeys.verify_key('$key{live}')"), 'valid',
	'a session remembers a workspace');
query($authority, 'CREATE TABLE kept AS TABLE falukeys.workspaces; SET session_replication_role = replica;'
	. ' DELETE FROM falukeys.workspaces');
catch_up($one);
is($remembering->query_safe("SELECT code FROM falukeys.verify_key('$key{live}')"), 'workspace_closed',
	'and does not remember one that is gone');
$remembering->quit;
query($authority, 'SET session_replication_role = replica; INSERT INTO falukeys.workspaces SELECT * FROM kept');
create_key('after', "'live'");
becomes($one, $key{after}, 'valid', 'a new key all the same');

#
# A dump of the authority, and one of a subscriber, are databases of their own
#
my $dumped = PostgreSQL::Test::Utils::tempdir() . '/dump';
foreach my $from ($authority, $one)
{
	my $name = 'of_' . $from->name;

	$from->command_ok([ 'pg_dump', '-f', $dumped, '-d', $from->connstr('postgres') ], $from->name . ' is dumped');
	query($two, "CREATE DATABASE $name");
	$two->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dumped, '-d', $two->connstr($name) ],
		'and restored');
	is(query($two, 'SELECT count(*) FROM falukeys.heartbeat', $name), 0, "$name: without a heartbeat");
	is_code($two, $key{after}, 'valid', "$name: its keys are its own", $name);
	query($two, "SELECT falukeys.disable_key('$id{after}')", $name);
	is_code($two, $key{after}, 'disabled', "$name: and are changed there", $name);
	query($two, 'ALTER SUBSCRIPTION one SET (slot_name = NONE); DROP SUBSCRIPTION one', $name) if $from == $one;
}

#
# The authority is gone, and a subscriber becomes it
#
$authority->stop('immediate');
becomes($_, $key{after}, 'stale_standby', 'without an authority, stale after the limit') foreach @subscribers;
refused($one, "SELECT falukeys.revoke_key('$id{after}')", '55000', qr/managed elsewhere/,
	'one: and still changes nothing');
query($one, 'ALTER SUBSCRIPTION one DISABLE; ALTER SUBSCRIPTION one SET (slot_name = NONE); DROP SUBSCRIPTION one');
is_code($one, $key{after}, 'stale_standby', 'one: without the subscription nothing arrives any more');
query($one, "SET client_min_messages = error; SELECT falukeys.publish_keys('keys')");
is_code($one, $key{after}, 'valid', 'one: an authority of its own verifies');
query($one, "SELECT falukeys.revoke_key('$id{after}')");
is_code($one, $key{after}, 'revoked', 'one: and changes');

done_testing();
