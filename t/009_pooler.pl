# The identity behind pgbouncer in transaction mode: two clients take turns on
# one server connection, and never see each other's rows.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FalukeysTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('pooled', conf => "max_prepared_transactions = 2\n");
query($node, <<SQL);
CREATE ROLE app LOGIN;
SELECT falukeys.grant_access('app', 'verifier');
CREATE TABLE message (workspace_id text NOT NULL, mode falukeys.key_mode NOT NULL, body text);
GRANT SELECT, INSERT, UPDATE, DELETE ON message TO app;
SELECT falukeys.isolate_table('message');
SQL
my %keys;
foreach my $name (qw(ann ben))
{
	my $workspace = new_workspace($node, $name);
	$keys{$name} = query($node, "SELECT key FROM falukeys.create_key('$workspace', 'secret', 'test')");
}

my $pooler = start_pooler($node, 'app');
my ($directory, $port) = @{$pooler}{qw(host port)};

my %clients;
{
	local $node->{_host} = $directory;
	local $node->{_port} = $port;
	$clients{$_} = session($node, 'app') foreach qw(ann ben);
}

my $pid = 'SELECT pg_backend_pid()';
is($clients{ann}->query_safe($pid), $clients{ben}->query_safe($pid), 'both are on one server connection');
is($clients{ann}->query_safe('SELECT current_user'), 'app', 'as a role that row security holds for');

foreach my $round (1 .. 3)
{
	foreach my $name (qw(ann ben))
	{
		$clients{$name}->query_safe("BEGIN; SELECT FROM falukeys.authenticate('$keys{$name}'); "
			. "INSERT INTO message (body) VALUES ('of $name, $round'); COMMIT;");
		is($clients{$name}->query_safe("BEGIN; SELECT FROM falukeys.authenticate('$keys{$name}'); "
			. "SELECT count(*) || ' ' || bool_and(body LIKE 'of $name,%') FROM message; COMMIT;"),
			"$round true", "round $round: $name sees its own rows");

		# The next transaction on the connection is of the other one.
		my ($other) = grep { $_ ne $name } qw(ann ben);
		is($clients{$other}->query_safe("SELECT falukeys.current_key_id() IS NULL, count(*) FROM message"),
			't|0', "round $round: $other, right after it, is no one and sees none");
		my ($sqlstate) = session_attempt($clients{$other}, "INSERT INTO message (body) VALUES ('of no one')");
		is($sqlstate, '42501', "round $round: nor does it write one");
	}

	# Nor after a transaction that was left by an error, or rolled back.
	session_attempt($clients{ann}, "BEGIN; SELECT FROM falukeys.authenticate('$keys{ann}'); SELECT 1 / 0; COMMIT;");
	is($clients{ben}->query_safe('SELECT count(*) FROM message'), '0', "round $round: nothing is left by an error");
	$clients{ann}->query_safe("BEGIN; SELECT FROM falukeys.authenticate('$keys{ann}'); ROLLBACK;");
	is($clients{ben}->query_safe('SELECT count(*) FROM message'), '0', "round $round: nor by a rollback");
}
is(query($node, 'SELECT count(*) FROM message'), '6', 'nothing else was written');

$clients{$_}->quit foreach qw(ann ben);

# Many at once: each transaction fails where it sees a row of someone else, or
# where it begins with an identity.
my @scripts;
foreach my $name (qw(ann ben))
{
	my $script = "$directory/$name.sql";
	append_to_file($script, <<SQL);
SELECT 1 / (falukeys.current_key_id() IS NULL AND count(*) = 0)::integer FROM message;
BEGIN;
SELECT 1 / (falukeys.current_key_id() IS NULL AND count(*) = 0)::integer FROM message;
SAVEPOINT s;
SELECT FROM falukeys.authenticate('$keys{$name}');
SELECT 1 / (count(*) = count(*) FILTER (WHERE body LIKE 'of $name,%') AND count(*) >= 3)::integer FROM message;
INSERT INTO message (body) VALUES ('of $name, one of many');
ROLLBACK TO s;
SELECT 1 / (falukeys.current_key_id() IS NULL AND count(*) = 0)::integer FROM message;
SELECT FROM falukeys.authenticate('$keys{$name}');
UPDATE message SET body = body;
SELECT 1 / (count(*) = count(*) FILTER (WHERE body LIKE 'of $name,%') AND count(*) = 3)::integer FROM message;
END;
SQL
	push @scripts, '-f', $script;
}
my ($out, $err) = ('', '');
ok( IPC::Run::run(
		[ 'pgbench', '-n', '-h', $directory, '-p', $port, '-U', 'app', '-c', '6', '-t', '50', @scripts, 'app' ],
		'<', \undef, '>', \$out, '2>', \$err),
	'six clients at once see their own rows only')
  or diag "$out\n$err";
like($out, qr/actually processed: 300\/300/, 'in all of their transactions');
stop_pooler($pooler);

# What a prepared transaction did, it did by the key, although no one is its
# session any more.
my ($id) = query($node, "SELECT key_id FROM falukeys.verify_key('$keys{ann}')");
is(query($node, <<SQL), 't', 'a prepared transaction leaves no identity');
BEGIN;
SELECT FROM falukeys.authenticate('$keys{ann}');
PREPARE TRANSACTION 'ann';
SELECT falukeys.current_key_id() IS NULL;
SQL
query($node, "SELECT falukeys.revoke_key('$id')");
refused($node, "SET statement_timeout = '1s'; SELECT falukeys.wait_for_key('$id');", '57014', qr/timeout/,
	'wait_for_key waits for it');
query($node, "COMMIT PREPARED 'ann'");
is(query($node, "SELECT 'over' FROM falukeys.wait_for_key('$id')"), 'over', 'until it is committed');
$node->stop;
done_testing();
