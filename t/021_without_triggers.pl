# Rows come into the tables where triggers do not fire: by several jobs of a
# restore, by a subscription, by a restore of data alone.  And triggers that are
# not as they should be after it are noticed.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('source', empty => 1, init => { allows_streaming => 'logical' });
my $other = new_server('target', empty => 1);
my $directory = PostgreSQL::Test::Utils::tempdir();
my $settings = 'SELECT * FROM falukeys.mode_settings ORDER BY mode';
my $installed = "test|f|f|f|3|03:00:00\nlive|t|t|t||72:00:00";
my $changed = "test|f|f|t|5|03:00:00\nlive|t|t|t||02:00:00";

query($node, 'CREATE DATABASE origin');
query($node, <<'SQL', 'origin');
CREATE EXTENSION falukeys;
UPDATE falukeys.mode_settings SET verify_identities = true, webhook_max_attempts = 5 WHERE mode = 'test';
UPDATE falukeys.mode_settings SET webhook_retry_window = '2 hours' WHERE mode = 'live';
SQL
my $workspace = new_workspace($node, 'Without triggers', 'origin');
my (undef, $test_key) = split(/\|/, query($node,
	"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')", 'origin'));
my (undef, $key) = split(/\|/, query($node,
	"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')", 'origin'));

sub run_for
{
	my ($server, $options, @command) = @_;
	local $ENV{PGHOST} = $server->host;
	local $ENV{PGPORT} = $server->port;
	local $ENV{PGOPTIONS} = $options;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return command_ok([@command], join(' ', map { s/\Q$directory\E\///r } @command));
}

sub is_restored
{
	my ($server, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	# Read by the transaction's mode, and so also where an older row is still there
	is(query($server, "BEGIN; SELECT code FROM falukeys.authenticate('$test_key'); SELECT * "
		. "FROM falukeys.current_mode_settings(); COMMIT", $database),
		"valid\ntest|f|f|t|5|03:00:00", "$database: the settings are those of the original");
	return is(query($server,
		"BEGIN; SELECT code FROM falukeys.authenticate('$key'); SELECT webhook_retry_window "
		. "FROM falukeys.current_mode_settings(); COMMIT", $database),
		"valid\n02:00:00", "$database: and hold for a key");
}

is(query($node, $settings, 'origin'), $changed, 'the settings are changed');
run_for($node, '', 'pg_dump', '-Fd', '-f', "$directory/all", 'origin');

# Several jobs, none of which may fire triggers
query($node, 'CREATE DATABASE jobs');
run_for($node, '-c session_replication_role=replica', 'pg_restore', '-e', '-j', '2', '-d', 'jobs', "$directory/all");
is_restored($node, 'jobs');

# Data alone, triggers disabled meanwhile
foreach my $database ('data', 'data_changed')
{
	query($node, "CREATE DATABASE $database");
	query($node, 'CREATE EXTENSION falukeys', $database);
}
query($node, "UPDATE falukeys.mode_settings SET webhook_max_attempts = 9; VACUUM falukeys.mode_settings; "
	. "UPDATE falukeys.mode_settings SET deliver_messages = true", 'data_changed');
foreach my $database ('data', 'data_changed')
{
	run_for($node, '', 'pg_restore', '-e', '--data-only', '--disable-triggers', '-d', $database, "$directory/all");
	is_restored($node, $database);
	# What was there is gone with the next change, which does not bring it back.
	query($node, "UPDATE falukeys.mode_settings SET webhook_max_attempts = webhook_max_attempts WHERE mode = 'test'",
		$database);
	is(query($node, $settings, $database), $changed, "$database: one row a mode");
	is_restored($node, $database);
}

# What is as installed is no matter of a restore.
foreach my $database ('unchanged', 'unchanged_data')
{
	query($node, "CREATE DATABASE $database");
	query($node, 'CREATE EXTENSION falukeys', $database);
}
run_for($node, '', 'pg_dump', '-Fc', '-f', "$directory/unchanged", 'unchanged');
run_for($node, '', 'pg_restore', '-e', '--data-only', '--disable-triggers', '-d', 'unchanged_data',
	"$directory/unchanged");
is(query($node, $settings, 'unchanged_data'), $installed, 'unchanged_data: what was as installed is so');

# A subscription: its first copy, and what comes later
query($other, 'CREATE DATABASE subscriber');
query($other, 'CREATE EXTENSION falukeys', 'subscriber');
query($node, 'CREATE PUBLICATION settings FOR TABLE falukeys.mode_settings', 'origin');
query($other, "CREATE SUBSCRIPTION settings CONNECTION \$\$" . $node->connstr('origin') . "\$\$ PUBLICATION settings",
	'subscriber');
$other->poll_query_until('subscriber', "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")
	or die 'no first copy';
is(query($other, $settings, 'subscriber'), $changed, 'subscriber: the settings are those of the publisher');
query($node, "UPDATE falukeys.mode_settings SET webhook_max_attempts = 7 WHERE mode = 'test'", 'origin');
$node->wait_for_catchup('settings');
is(query($other, "SELECT webhook_max_attempts FROM falukeys.mode_settings WHERE mode = 'test'", 'subscriber'), 7,
	'subscriber: so are those changed later');
query($other, 'DROP SUBSCRIPTION settings', 'subscriber');

# --disable-triggers makes ordinary ones of those that fire always.
my $write = "SELECT falukeys.define_permission('noticed')";
my ($sqlstate, $messages) = attempt($node, "$write; $write;", 'data');
foreach my $trigger ('falukeys.workspaces ENABLE ALWAYS TRIGGER invalidate',
	'falukeys.mode_settings ENABLE ALWAYS TRIGGER guard', 'falukeys.sealed_secrets ENABLE ALWAYS TRIGGER guard',
	map { "falukeys.$_ ENABLE ALWAYS TRIGGER authorize_row" } qw(workspaces members permissions keys retired_secrets
		sealed_secrets key_permissions key_networks key_objects events key_usage mode_settings isolated_tables))
{
	my $warning = qr/WARNING:.*?55000: +trigger \w+ of table "falukeys\.\w+" is switched off/;
	my $hint = qr/HINT: +Run (ALTER TABLE \Q$trigger\E)\./;
	my @noticed = $messages =~ /$warning\nDETAIL:.*session_replication_role.*\n$hint/g;

	is(scalar(@noticed), 1, "that $trigger is needed, is noticed once");
	query($node, $noticed[0] || 'SELECT 1', 'data');
}
(undef, $messages) = attempt($node, $write, 'data');
is($messages, '', 'and it repairs it');

# In a session that is there, each state is noticed anew.
my $session = session($node, 'data');
session_attempt($session, $write);
foreach my $table ('keys', 'events', 'permissions', 'members')
{
	my ($trigger) = query($node, "SELECT min(tgname) FROM pg_trigger WHERE tgrelid = 'falukeys.$table'::regclass "
		. "AND NOT tgisinternal", 'data');

	my $enable = "ALTER TABLE falukeys.$table ENABLE TRIGGER $trigger";
	query($node, "ALTER TABLE falukeys.$table DISABLE TRIGGER $trigger", 'data');
	like((session_attempt($session, $write))[1],
		qr/WARNING:.*trigger $trigger of table "falukeys.$table".*HINT: +Run \Q$enable\E\./s,
		"$table: a disabled trigger is noticed");
	is((session_attempt($session, $write))[1], '', "$table: once");
	query($node, $enable, 'data');
	is((session_attempt($session, $write))[1], '', "$table: and not any more once it is enabled");
}
$session->quit;

$node->stop;
$other->stop;
done_testing();
