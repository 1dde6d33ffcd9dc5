# What health() says where it takes settings, files or other servers to break it,
# and attention of what is counted: each item turns, and turns back.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $preload = "shared_preload_libraries = 'falukeys'\nfalukeys.usage_flush_interval = 50ms\n";
my $node = new_server('health', init => { allows_streaming => 'logical' },
	conf => "max_connections = 20\nmax_logical_replication_workers = 4\n");
my $workspace = new_workspace($node, 'Health');

sub says
{
	my ($server, $item) = @_;

	return query($server, "SELECT state, hint FROM falukeys.health() WHERE item = '$item'");
}

# An item has one row, with this state, and a hint that matches.
sub is_state
{
	my ($server, $item, $state, $hint, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return like(says($server, $item), qr/^$state\|$hint/, "$item: $name");
}

sub restart_with
{
	my ($server, $conf) = @_;

	$server->append_conf('postgresql.conf', $conf);
	$server->restart;
	return;
}

# Preloading, and what needs it

is_state($node, 'preloading', 'off', 'Add falukeys to shared_preload_libraries', 'not preloaded');
is_state($node, 'usage tracking', 'off', 'Add falukeys to shared_preload_libraries', 'nor counted');
is_state($node, 'log redaction', 'off', 'Add falukeys to shared_preload_libraries', 'nor masked');
restart_with($node, $preload);
is_state($node, 'preloading', 'ok', '$', 'preloaded');
is_state($node, 'usage tracking', 'ok', '$', 'and counted');
is_state($node, 'log redaction', 'ok', '$', 'and masked');
configure($node, 'falukeys.redact_logs' => 'off');
is_state($node, 'log redaction', 'warning', 'Set falukeys\.redact_logs = on\.$', 'switched off');
configure($node, 'falukeys.redact_logs' => 'on');
is_state($node, 'log redaction', 'ok', '$', 'switched on');
configure($node, 'falukeys.track_usage' => 'off');
is_state($node, 'usage tracking', 'off', 'Set falukeys.track_usage = on\.$', 'switched off');
configure($node, 'falukeys.track_usage' => 'on');
is_state($node, 'usage tracking', 'ok', '$', 'switched on');

# Counts that find no room are lost, once a second has gone by in which no one moved them.

sub verify_many
{
	return query($node, "SELECT count(*) FROM falukeys.keys AS k, "
		. "falukeys.handle_allows(k.secret, NULL, NULL) AS allowed WHERE kind <> 'public' AND allowed");
}
query($node, "SELECT count(falukeys.create_key('$workspace', 'secret', 'test')) FROM generate_series(1, 20)");
restart_with($node, "falukeys.max_tracked_keys = 1\n");
my $session = session($node);
session_attempt($session, 'BEGIN; LOCK TABLE falukeys.key_usage IN SHARE MODE');
verify_many();
is_state($node, 'usage tracking', 'warning',
	'\d+ verifications are not .* raise falukeys\.max_tracked_keys, which is 1', 'lost for want of memory');
session_attempt($session, 'COMMIT');
restart_with($node, "falukeys.max_tracked_keys = 65536\n");
is_state($node, 'usage tracking', 'ok', '$', 'with more memory');

# A worker that finds no room

restart_with($node, "max_worker_processes = 1\nmax_logical_replication_workers = 0\n");
verify_many();
ok($node->poll_query_until('postgres',
	"SELECT state = 'warning' FROM falukeys.health() WHERE item = 'usage tracking'"),
	'usage tracking: no room for a worker');
is_state($node, 'usage tracking', 'warning', '.*raise max_worker_processes, which is 1', 'and what to raise');
restart_with($node, "max_worker_processes = 8\nmax_logical_replication_workers = 4\n");
verify_many();
ok($node->poll_query_until('postgres', "SELECT state = 'ok' FROM falukeys.health() WHERE item = 'usage tracking'"),
	'usage tracking: with more of them');

# attention of what is counted: who presents a retired secret, before it is flushed and after

my ($id, $key) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));
my $attention = "SELECT reason, client, at > now() - interval '1 minute', remedy FROM falukeys.attention "
	. "WHERE key_id = '$id'";
my $new_key = query($node, "SELECT key FROM falukeys.roll_key('$id', '1 hour')");
is_code($node, $new_key, 'valid', 'the new secret is presented');
is(query($node, $attention), '', 'attention: which is well');
$session = session($node);
session_attempt($session, 'BEGIN; LOCK TABLE falukeys.key_usage IN SHARE MODE');
is(query($node, "SELECT code FROM falukeys.verify_key('$key', client => '192.0.2.99')"), 'valid',
	'the old one is, in its grace');
is(query($node, $attention), "retired_secret|192.0.2.99|t|SELECT falukeys.end_grace('$id');",
	'attention: a forgotten deployment');
session_attempt($session, 'COMMIT');
ok($node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM falukeys.key_usage WHERE key_id = '$id' AND last_retired_client = '192.0.2.99'"),
	'it is flushed');
is(query($node, $attention), "retired_secret|192.0.2.99|t|SELECT falukeys.end_grace('$id');",
	'attention: and is there still');
query($node, query($node, "SELECT remedy FROM falukeys.attention WHERE key_id = '$id'"));
is(query($node, $attention), '', 'attention: the remedy settles it');
is_code($node, $key, 'rolled', 'the old one is presented again');
like(query($node, $attention), qr/^retired_secret\|192\.0\.2\.99\|t\|SELECT \* FROM falukeys\.roll_key/,
	'attention: and seen again');

# The master key

my $file = $node->data_dir . '/falukeys.key';
my $directory = PostgreSQL::Test::Utils::tempdir();
is_state($node, 'master key', 'warning', 'The master key is in the data directory', 'where it is made');
rename($file, "$directory/falukeys.key") or die;
is_state($node, 'master key', 'error', '\d+ secrets are sealed, and the master key file does not exist', 'gone');
configure($node, 'falukeys.master_key_file' => "$directory/falukeys.key");
is_state($node, 'master key', 'ok', '$', 'elsewhere');
chmod(0644, "$directory/falukeys.key") or die;
is_state($node, 'master key', 'error', 'Looking at it failed: .* has group or world access\. Set its permissions',
	'readable by others');
chmod(0600, "$directory/falukeys.key") or die;
configure($node, 'falukeys.master_key_command' => 'exit 3');
is_state($node, 'master key', 'error', 'Looking at it failed: the command of "falukeys.master_key_command" failed',
	'a command that fails');
configure($node, 'falukeys.master_key_command' => 'openssl rand -hex 32');
is_state($node, 'master key', 'error', '\d+ live secrets are sealed under a master key that is not there any more',
	'another key');
configure($node, 'falukeys.master_key_command' => "cat $directory/falukeys.key");
is_state($node, 'master key', 'ok', '$', 'a command');
configure($node, 'falukeys.master_key_command' => '');

# A table that someone holds: the item fails alone, and waiting can be cancelled.

session_attempt($session, 'BEGIN; LOCK TABLE falukeys.sealed_secrets IN ACCESS EXCLUSIVE MODE');
is(query($node, "SET lock_timeout = '100ms'; SELECT string_agg(item, ', ' ORDER BY item) FROM falukeys.health() "
	. "WHERE hint ~ 'lock timeout'"),
	'invariants, master key, unrevealed secrets', 'a locked table fails who reads it');
refused($node, "SET statement_timeout = '100ms'; SELECT * FROM falukeys.health()", '57014', qr/statement timeout/,
	'and the statement can be cancelled');
session_attempt($session, 'COMMIT');

# Standbys

is_state($node, 'standby', 'off', 'If standbys of this server verify keys', 'none is needed');
configure($node, 'falukeys.max_standby_lag' => '1h');
is_state($node, 'standby', 'ok', '$', 'a primary that sends heartbeats');
restart_with($node, "shared_preload_libraries = ''\n");
is_state($node, 'standby', 'warning', 'Add falukeys to shared_preload_libraries.* heartbeat', 'one that does not');
restart_with($node, $preload);

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "wal_receiver_status_interval = 1s\n");
$standby->start;
query($node, "SELECT falukeys.define_permission('messages')");
$node->wait_for_catchup($standby);
$standby->poll_query_until('postgres', "SELECT hint ~ 'clock' FROM falukeys.health() WHERE item = 'standby'")
	or die says($standby, 'standby');
is_state($standby, 'standby', 'ok',
	'The last commit that was replayed is \d+ ms old, and the clock .* -?\d+ ms ahead\.$',
	'a standby within its limit');
configure($standby, 'falukeys.max_standby_lag' => 0);
is_state($standby, 'standby', 'warning', 'The last commit .*: set falukeys\.max_standby_lag',
	'a standby without one');
is(query($standby, "SELECT string_agg(item, ', ') FROM falukeys.health() WHERE state = 'error'"), '',
	'nothing else is broken there');
$node->stop;
configure($standby, 'falukeys.max_standby_lag' => '1ms');
is_state($standby, 'standby', 'error', 'The last commit .*, and verification answers stale_standby', 'cut off');
$node->start;
configure($standby, 'falukeys.max_standby_lag' => '1h');
query($node, "SELECT falukeys.define_permission('payments')");
$node->wait_for_catchup($standby);
is_state($standby, 'standby', 'ok', 'The last commit', 'with its primary again');
$standby->stop;

# Keys that arrive by a subscription

my $subscriber = new_server('subscriber');
is_state($subscriber, 'subscription', 'ok', '$', 'there is none');
configure($node, 'falukeys.max_standby_lag' => '1s');
query($node, "SELECT falukeys.publish_keys('keys_elsewhere')");
query($subscriber, "CREATE SUBSCRIPTION \"Keys\" CONNECTION \$\$" . $node->connstr('postgres')
	. "\$\$ PUBLICATION keys_elsewhere WITH (slot_name = 'keys_slot')");
$subscriber->wait_for_subscription_sync($node, 'Keys');

sub becomes
{
	my ($state, $hint, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($subscriber->poll_query_until('postgres',
		"SELECT bool_and(state = '$state') FROM falukeys.health() WHERE item = 'subscription'"),
		"subscription: becomes $state");
	return is_state($subscriber, 'subscription', $state, $hint, $name);
}
becomes('warning', 'Set falukeys\.max_standby_lag, here and on the other server', 'without a limit');
configure($subscriber, 'falukeys.max_standby_lag' => '1h');
becomes('ok', 'The last heartbeat that arrived is -?\d+ ms old\.$', 'one that is in step');
configure($subscriber, 'falukeys.max_standby_lag' => '1ms');
becomes('error', 'Verification answers stale_standby', 'beyond its limit');
configure($subscriber, 'falukeys.max_standby_lag' => '1h');
query($subscriber, 'ALTER SUBSCRIPTION "Keys" DISABLE');
becomes('error', 'Table falukeys\.\w+ does not arrive', 'one that is switched off');
my ($enable) = says($subscriber, 'subscription') =~ /run (ALTER SUBSCRIPTION .*)\.$/m;
query($subscriber, $enable);
becomes('ok', 'The last heartbeat', 'and on again');
query($subscriber, 'DROP SUBSCRIPTION "Keys"');
is_state($subscriber, 'subscription', 'error', 'The subscription by which keys arrived is gone', 'and gone');
query($subscriber, "SET client_min_messages = error; SELECT falukeys.publish_keys('Keys')");
is_state($subscriber, 'subscription', 'ok', '$', 'the authority from now on');

$session->quit;
$subscriber->stop;
$node->stop;
done_testing();
