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

my $node = new_server('pooled');
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

my $pgbouncer = (grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin')[0]
  or die 'pgbouncer is not installed';
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$directory/pgbouncer.ini", <<INI);
[databases]
app = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=postgres user=app pool_size=1

[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $directory
auth_type = any
pool_mode = transaction
logfile = $directory/log
pidfile = $directory/pid
INI
my $pooler = IPC::Run::start([ $pgbouncer, '-q', "$directory/pgbouncer.ini" ], '<', \undef, '>', "$directory/out", '2>&1');
my $is_there = 0;
for (1 .. 100)
{
	last if $is_there = -S "$directory/.s.PGSQL.$port";
	select(undef, undef, undef, 0.1);
}
ok($is_there, 'pgbouncer listens');

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
		$clients{$name}->query_safe("BEGIN; SELECT FROM falukeys.authenticate('$keys{$name}'); INSERT INTO message (body) VALUES ('of $name, $round'); COMMIT;");
		is($clients{$name}->query_safe("BEGIN; SELECT FROM falukeys.authenticate('$keys{$name}'); SELECT count(*) || ' ' || bool_and(body LIKE 'of $name,%') FROM message; COMMIT;"),
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
$pooler->signal('INT');
$pooler->finish;
$node->stop;
done_testing();
