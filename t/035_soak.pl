# Verification beside everything that happens to a server: clients at each
# isolation level, maintenance and DDL of the tables, cancelled and terminated
# sessions, an autovacuum that never rests. No verification fails, and none is
# wrong: each client changes keys of its own, in one session, and asks in another
# one for what it knows.
#
# SOAK_SECONDS: how long each part takes; SOAK_CLIENTS; SOAK_SEED: as an earlier
# run printed it.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use CrashJournal;
use FalukeysTest;
use List::Util qw(shuffle);
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WireClient;

my $seconds = $ENV{SOAK_SECONDS} || 2;
my $clients = $ENV{SOAK_CLIENTS} || 16;
my $seed = $ENV{SOAK_SEED} || int(rand(2**31));
my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

note "SOAK_SEED=$seed";
srand($seed);

my $node = new_server('soak', conf => <<CONF);
shared_preload_libraries = 'falukeys'
falukeys.usage_flush_interval = 50ms
max_connections = 100
autovacuum = on
autovacuum_naptime = 1s
autovacuum_vacuum_threshold = 1
autovacuum_vacuum_insert_threshold = 1
autovacuum_analyze_threshold = 1
autovacuum_vacuum_scale_factor = 0
autovacuum_vacuum_insert_scale_factor = 0
autovacuum_analyze_scale_factor = 0
autovacuum_vacuum_cost_delay = 0
CONF
my $directory = PostgreSQL::Test::Utils::tempdir();

query($node, q{SELECT falukeys.define_permission(p) FROM unnest('{one,two}'::text[]) AS p});
query($node, 'CREATE TABLE application AS SELECT 1 AS a');
my @models = map { new_model($_, new_workspace($node, "Client $_")) } 1 .. $clients;
my @functions = qw(falukeys.verify_key falukeys.try_authenticate);

# The codes that texts are answered in one session, or the problem
sub codes
{
	my ($client, $function, $repeated, @texts) = @_;
	my $answer = $client->query("SELECT min(v.code), max(v.code), count(*) FROM unnest(ARRAY["
		. join(', ', map { "'$_'" } @texts) . "]) WITH ORDINALITY AS t (text, n), generate_series(1, $repeated) AS g, "
		. "LATERAL $function(t.text, 'one', '192.0.2.1', 'object') AS v GROUP BY n ORDER BY n");

	return ($answer->{lost} ? '57P01' : $answer->{error}, $answer->{message} // 'the connection was lost')
	  if $answer->{lost} || $answer->{error};
	return (undef, map { $_->[2] == $repeated && $_->[0] eq $_->[1] ? $_->[0] : "$_->[0] to $_->[1]" }
		@{ $answer->{rows} });
}

# One client, in a process of its own, which notes what is wrong and how much it has asked.
sub soak_client
{
	my ($model, $level, $until, $file, $killed) = @_;
	my ($managing, $verifying) = (WireClient->new($node), connect_verifier());
	my ($asked, $changed, $interrupted) = (0, 0, 0);
	my @problems;

	while (time < $until && !@problems)
	{
		$verifying->query("BEGIN ISOLATION LEVEL $level");
		$verifying->query('SELECT count(*) FROM application');
		foreach (1 .. 10)
		{
			my $op = choose($model, []) or next;

			if ($op->{what} !~ /^(verify|write|flushed|race)$/)
			{
				my $answer = ask($managing, $model, $op);

				push @problems, "$op->{what}: " . ($answer->{message} // 'lost') if $answer->{error} || $answer->{lost};
				last if @problems;
				apply($model, $op, $answer->{rows}[0]);
				$changed++;
			}
			my $tag = $op->{key} // $op->{tag};
			my @pairs = map { texts_and_codes($model, $_) } grep { defined } $model->{keys}{$tag};

			next unless @pairs;
			my ($error, @codes) = codes($verifying, $functions[ int(rand(2)) ], $killed ? 1000 : 1,
				map { $_->[0] } @pairs);

			if ($error)
			{
				$interrupted++;
				push @problems, "verification: @codes" unless $killed && $error =~ /^(57014|57P01)$/;
				$verifying = connect_verifier() if $error eq '57P01';
				last;
			}
			$asked += @pairs;
			push @problems, map { "$tag is $codes[$_] and not $pairs[$_][1]" }
			  grep { $codes[$_] ne $pairs[$_][1] } 0 .. $#pairs;
		}
		$verifying = connect_verifier() if $verifying->query('ROLLBACK')->{lost};
	}
	append_to_file($file, join('', map { "$_\n" } @problems, "= $asked $changed $interrupted"));
	POSIX::_exit(0);
}

# It may be ended before it has begun.
sub connect_verifier
{
	foreach (1 .. 100)
	{
		my $client = WireClient->new($node, application_name => 'soak verifier');

		return $client if $client;
		sleep(0.1);
	}
	die 'no connection';
}

# Clients at their levels, and meanwhile, over and over, something else
sub soak
{
	my ($name, $level_of, $meanwhile, $killed) = @_;
	my $until = time + $seconds;
	my ($asked, $changed, $interrupted, $times) = (0, 0, 0, 0);
	my (@pids, @problems, %files);

	foreach my $model (@models)
	{
		my $start = int(rand(2**31));
		my $file = $files{ $model->{number} } = "$directory/$name $model->{number}";
		my $pid = fork() // die "could not fork: $!";

		if ($pid == 0)
		{
			srand($start);
			soak_client($model, $level_of->($model->{number}), $until, $file, $killed);
		}
		push @pids, $pid;
	}
	while (time < $until)
	{
		$meanwhile ? $meanwhile->($times++, \@problems) : sleep(0.1);
	}
	waitpid($_, 0) foreach @pids;
	foreach my $file (map { $files{$_} } sort keys %files)
	{
		my $said = -e $file ? slurp_file($file) : "$file: nothing said\n";

		$said =~ s/^= (\d+) (\d+) (\d+)\n//m and ($asked, $changed, $interrupted) =
		  ($asked + $1, $changed + $2, $interrupted + $3);
		push @problems, $said if $said ne '';
	}
	is(join("\n", @problems), '', "$name: no error, and no wrong verdict");
	cmp_ok($asked, '>', 0, "$name: there were verifications");
	note "$name: $asked verifications, $changed changes, $interrupted interrupted, $times statements beside them";
	# Each part begins with keys of its own: what a process has changed, only it knows.
	$_ = new_model($_->{number}, new_workspace($node, "Client $_->{number}")) foreach @models;
	return;
}

foreach my $level (@levels)
{
	soak("\L$level\E", sub { $level });
}

# Maintenance and DDL of each table that verification reads, and of all at once
{
	my @tables = qw(keys workspaces retired_secrets key_permissions key_networks key_objects members permissions
	  sealed_secrets events key_usage);
	my @indexes = split(/\n/, query($node, "SELECT indexrelid::regclass FROM pg_index AS i "
		. "JOIN pg_class AS c ON c.oid = i.indrelid WHERE relnamespace = 'falukeys'::regnamespace ORDER BY 1"));
	my @statements = map { @$_ } shuffle(
		(map { (["VACUUM FULL falukeys.$_"], ["CLUSTER falukeys.$_ USING ${_}_pkey"], ["REINDEX TABLE falukeys.$_"],
			["REINDEX TABLE CONCURRENTLY falukeys.$_"], [ "VACUUM falukeys.$_", "ANALYZE falukeys.$_" ],
			[ "ALTER TABLE falukeys.$_ ADD COLUMN soak text", "ALTER TABLE falukeys.$_ DROP COLUMN soak" ],
			[ "ALTER TABLE falukeys.$_ ADD COLUMN soak float DEFAULT random()",
				"ALTER TABLE falukeys.$_ DROP COLUMN soak" ]) } @tables),
		(map { (["REINDEX INDEX $_"], ["REINDEX INDEX CONCURRENTLY $_"]) } @indexes),
		['REINDEX SCHEMA falukeys'], ['REINDEX DATABASE postgres'], ['VACUUM FULL'], ['ANALYZE']);
	my $client = WireClient->new($node);

	soak('maintenance', sub { $levels[ $_[0] % 3 ] }, sub {
		my ($times, $problems) = @_;
		my $statement = $statements[ $times % @statements ];
		my $answer = $client->query($statement);

		push @$problems, "$statement: " . ($answer->{message} // 'lost') if $answer->{error} || $answer->{lost};
	});
	query($node, "ALTER TABLE falukeys.$_ DROP COLUMN IF EXISTS soak") foreach @tables;
}

# Sessions that verify are cancelled and terminated.
{
	my $client = WireClient->new($node);

	soak('interrupted', sub { $levels[ $_[0] % 3 ] }, sub {
		my ($times) = @_;
		my $how = $times % 2 ? 'pg_cancel_backend' : 'pg_terminate_backend';

		$client->query("SELECT $how(pid) FROM pg_stat_activity WHERE application_name = 'soak verifier' "
			. "AND state = 'active' AND query ~ 'verify_key|try_authenticate' ORDER BY random() LIMIT 1");
		sleep(0.02);
	}, 1);
}

is(query($node, 'SELECT * FROM falukeys.broken_invariants()'), '', 'no invariant is broken');
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC:|TRAP:|deadlock detected/,
	'no crash, and no deadlock');
$node->stop;
done_testing();
