# Clients change and verify keys while the server is stopped at random moments.
# After each crash all that was acknowledged holds, nothing else is half there,
# no live secret was given out twice, and all counts add up: see CrashJournal.
#
# CRASHES: how many; CRASH_CLIENTS; CRASH_SECONDS: how long at most from one to
# the next; CRASH_SEED: as an earlier run printed it.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use CrashJournal;
use FalukeysTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use UsageTest;
use WireClient;

my $crashes = $ENV{CRASHES} || 3;
my $clients = $ENV{CRASH_CLIENTS} || 4;
my $seconds = $ENV{CRASH_SECONDS} || 1.5;
my $seed = $ENV{CRASH_SEED} || int(rand(2**31));

note "CRASH_SEED=$seed";
srand($seed);

my $node = counting_server('crash_journal', "wal_writer_delay = 10s\n", init => { allows_streaming => 1 });
my $directory = PostgreSQL::Test::Utils::tempdir();

query($node, q{SELECT falukeys.define_permission(p) FROM unnest('{one,two}'::text[]) AS p});
query($node, <<'SQL');
CREATE ROLE crash_backend;
SELECT falukeys.grant_access('crash_backend', 'verifier');
CREATE TABLE written (workspace_id text NOT NULL, mode text NOT NULL, tag text NOT NULL);
SELECT falukeys.isolate_table('written');
GRANT SELECT, INSERT ON written TO crash_backend;
SQL
my @models = map { new_model($_, new_workspace($node, "Client $_")) } 1 .. $clients;
my $shared = new_workspace($node, 'Shared');

# By their ids, the secrets that all clients want: who was shown them, and who may have been
my %wanted;
# Every live secret that anyone was shown, with how often
my %shown;
my (%acknowledged, %kinds, $unanswered, $done, $wrong);

sub quoted { return join(', ', map { "'$_'" } @_); }

# Rows as arrays, in a session of their own
sub rows
{
	my ($sql) = @_;
	my $client = WireClient->new($node) or die 'no connection';
	my $answer = $client->query($sql);

	die "failed: $sql: $answer->{message}" if $answer->{error};
	return @{ $answer->{rows} };
}

# Each finds its victim, and answers what strikes it.
my %crash = (
	'immediate stop' => sub { return sub { $node->stop('immediate'); } },
	'killed postmaster' => sub {
		my $pid = $node->{_pid};

		return sub {
			$node->kill9;
			sleep(0.05) while kill(0, $pid);
		};
	},
	'killed backend' => sub { kill_one("backend_type = 'client backend' AND query ~ 'falukeys'"); },
	'killed process' => sub { kill_one("backend_type IN ('checkpointer', 'background writer', 'walwriter')"); });

sub kill_one
{
	my ($condition) = @_;
	my @pids = split(/\n/, query($node,
		"SELECT pid FROM pg_stat_activity WHERE $condition AND pid <> pg_backend_pid() ORDER BY pid"));
	my $pid = $pids[ int(rand(@pids)) ];

	return sub { kill('KILL', $pid); };
}

# Another postmaster cannot have the directory before all children of a killed one have noticed.
sub bring_back
{
	foreach (1 .. 100)
	{
		last if defined $node->{_pid} || $node->start(fail_ok => 1);
		sleep(0.1);
	}
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	# A postmaster that goes on has not read it.
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('synchronous_standby_names') = ''")
	  or die 'commits wait';
	return;
}

# Commits are on disk, and not acknowledged, since they wait for a standby.
sub hold_answers
{
	configure($node, synchronous_standby_names => 'nobody');
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
	foreach (1 .. 20)
	{
		last if query($node, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
			. "OR wait_event = 'SyncRep'") == @models;
		sleep(0.1);
	}
	return;
}

# While all clients are stopped, so that none of their commits takes it to the
# disk: a secret that is shown in a transaction that rolls back.
sub reveal_last
{
	my ($last, $id) = @_;
	my $text = $last->query("BEGIN; SELECT falukeys.reveal_key('$id'); ROLLBACK")->{rows}[0][0];

	$wanted{$id} = { asked => 1, shown => { $text => 1 } };
	$shown{$text}++;
	return;
}

# One round: clients ask until the server is gone. Answers how it went.
sub crash_once
{
	my ($round) = @_;
	my $kind = (sort keys %crash)[ int(rand(keys %crash)) ];
	my @free = grep { !$wanted{$_}{shown} && !$wanted{$_}{asked} } sort keys %wanted;
	my @pids;

	foreach (@free + 1 .. 8)
	{
		my $id = new_sealed($node, $shared, 'live');

		$wanted{$id} = {};
		push @free, $id;
	}
	foreach my $model (@models)
	{
		my $start = int(rand(2**31));
		my $pid = fork() // die "could not fork: $!";

		if ($pid == 0)
		{
			srand($start);
			run_client($node, $model, \@free, "$directory/$round.$model->{number}", 60);
		}
		push @pids, $pid;
	}
	sleep(0.2 + rand($seconds));
	hold_answers() if $round % 2;
	my $strike = $crash{$kind}->();
	if ($round % 2 == 0)
	{
		my ($last, $id) = (WireClient->new($node), new_sealed($node, $shared, 'live'));

		kill('STOP', @pids);
		sleep(0.1);
		reveal_last($last, $id);
	}
	$strike->();
	kill('CONT', @pids);
	waitpid($_, 0) foreach @pids;
	bring_back();
	return $kind;
}

# What the server has of keys, by their tags
sub facts_of
{
	my ($workspace, @tags) = @_;

	return {} unless @tags;
	return { map { ($_->[0] => { id => $_->[1], fingerprint => $_->[2], counted => $_->[3], flushed => $_->[4] }) }
		rows(facts_query("k.workspace_id = '$workspace' AND coalesce(k.description, o.tag) IN ("
			. quoted(@tags) . ')')) };
}

sub unlike_sets
{
	my ($what, $expected, $sql) = @_;
	my %is = map { ($_->[0] => 1) } rows($sql);

	return ((map { "$what $_ is missing" } sort grep { !$is{$_} } keys %$expected),
		(map { "$what $_ is too much" } sort grep { !$expected->{$_} } keys %is));
}

# Why the server is not as a model has it; empty where it is
sub differences
{
	my ($model, $facts, $tags) = @_;
	my @differences;

	foreach my $tag (@$tags)
	{
		my $is = $facts->{$tag} ? $facts->{$tag}{fingerprint} : 'missing';
		my $expected = $model->{keys}{$tag} ? fingerprint($model->{keys}{$tag}) : 'missing';

		push @differences, "$tag is $is and not $expected" if $is ne $expected;
	}
	my ($state) = map { "$_->[0] $_->[1]" } rows(<<SQL);
SELECT state, (SELECT string_agg(event || ':' || n, ',' ORDER BY event COLLATE "C") FROM (SELECT event, count(*) AS n
	FROM falukeys.events WHERE workspace_id = w.id AND event ~ 'suspended|resumed' GROUP BY event) AS e)
FROM falukeys.workspaces AS w WHERE id = '$model->{workspace}'
SQL
	my $expected = ($model->{suspended} ? 'suspended ' : 'approved ')
	  . join(',', map { "$_:$model->{events}{$_}" } sort keys %{ $model->{events} });
	no warnings 'uninitialized';
	push @differences, "its workspace is $state and not $expected" if $state ne $expected;
	push @differences, unlike_sets('workspace', $model->{workspaces},
		"SELECT name FROM falukeys.workspaces WHERE name LIKE 'c$model->{number} n%'");
	push @differences, unlike_sets('row', $model->{rows},
		"SELECT tag FROM written WHERE workspace_id = '$model->{workspace}'");
	return @differences;
}

# Of the models that may be true, the one that is; the differences of each where none is
sub settle
{
	my ($told) = @_;
	my %tags = map { ($_ => 1) } grep { defined } keys %{ $told->{touched} };
	# Only what is or may become a key
	my @tags = grep { my $tag = $_; grep { $_->{keys}{$tag} } @{ $told->{models} } } sort keys %tags;
	my $facts = facts_of($told->{models}[0]{workspace}, @tags);
	my @problems;

	foreach my $model (@{ $told->{models} })
	{
		my @differences = differences($model, $facts, \@tags);

		if (!@differences)
		{
			$model->{keys}{$_}{id} //= $facts->{$_}{id} foreach grep { $model->{keys}{$_} } @tags;
			return ($model, $facts, \@tags);
		}
		push @problems, join('; ', @differences);
	}
	return (undef, $facts, \@tags, join("\n  or ", @problems));
}

# Each secret that is known is answered as it must be. Wrong answers are returned.
sub wrong_verdicts
{
	my ($model, @tags) = @_;
	my (@texts, @expected, @wrong);

	foreach my $key (grep { defined } map { $model->{keys}{$_} } @tags)
	{
		foreach my $pair (texts_and_codes($model, $key))
		{
			push @texts, $pair->[0];
			push @expected, "$key->{tag} $pair->[1]";
			$key->{asked}++;
		}
	}
	return () unless @texts;
	my @codes = rows('SELECT v.code FROM unnest(ARRAY[' . quoted(@texts) . ']) WITH ORDINALITY AS t (text, n), '
		. "falukeys.verify_key(t.text, 'one', '192.0.2.1', 'object') AS v ORDER BY n");
	foreach my $i (0 .. $#texts)
	{
		push @wrong, "$expected[$i]: $codes[$i][0]" unless $expected[$i] =~ / \Q$codes[$i][0]\E$/;
	}
	return @wrong;
}

# Never more than were made, and never less than were seen in the table
sub wrong_counts
{
	my ($model, $facts) = @_;
	my @wrong;

	foreach my $tag (sort grep { $facts->{$_} && $model->{keys}{$_} } keys %$facts)
	{
		my $key = $model->{keys}{$tag};

		push @wrong, "$tag has $facts->{$tag}{counted} of $key->{asked}" if $facts->{$tag}{counted} > $key->{asked};
		push @wrong, "$tag has $facts->{$tag}{flushed}, and had $key->{flushed}"
		  if $facts->{$tag}{flushed} < $key->{flushed};
	}
	return @wrong;
}

# A spent secret is refused.
sub not_refused
{
	my ($model, @tags) = @_;
	my @spent = grep { $_ && $_->{seal} eq 'spent' && $_->{mode} eq 'live' } map { $model->{keys}{$_} } @tags;
	my $client = WireClient->new($node);

	return grep { ($client->query("SELECT falukeys.reveal_key('$_->{id}')")->{error} // '') ne '55000' }
	  @spent > 5 ? @spent[ 0 .. 4 ] : @spent;
}

sub take_note
{
	my ($told) = @_;

	$shown{$_}++ foreach grep { defined } @{ $told->{shown} };
	foreach my $race (@{ $told->{races} })
	{
		$wanted{ $race->{id} }{asked} = 1;
		$wanted{ $race->{id} }{shown}{ $race->{text} } = 1 if defined $race->{text};
	}
	# Asked, and nothing came
	$wanted{ $told->{unanswered}{id} }{asked} = 1 if $told->{unanswered} && $told->{unanswered}{what} eq 'race';
	$acknowledged{$_} += $told->{acknowledged}{$_} foreach keys %{ $told->{acknowledged} };
	return;
}

foreach my $round (1 .. $crashes)
{
	my $kind = crash_once($round);
	my (@unsettled, @refused, @verdicts, @counts, @again);

	foreach my $i (0 .. $#models)
	{
		my $told = replay($models[$i], "$directory/$round.$models[$i]{number}");
		my ($model, $facts, $tags, $problems) = settle($told);

		take_note($told);
		push @refused, @{ $told->{refused} }, grep { defined } delete $models[$i]{wrong};
		if (!$model)
		{
			push @unsettled, "client $models[$i]{number}: $problems\n  after "
			  . ($told->{unanswered}{what} // 'nothing');
			next;
		}
		$unanswered++ if $told->{unanswered};
		$done++ if $told->{unanswered} && $model != $models[$i];
		note "client $model->{number}, unanswered: $told->{unanswered}{what}, "
		  . ($model == $models[$i] ? 'not done' : 'done') if $told->{unanswered};
		$models[$i] = $model;
		push @verdicts, wrong_verdicts($model, @$tags);
		push @counts, wrong_counts($model, $facts);
		push @again, map { $_->{tag} } not_refused($model, @$tags);
	}
	$kinds{$kind}++;
	is(join("\n", @unsettled), '', "crash $round, $kind: what was acknowledged holds, and nothing is half there");
	is(join("\n", @refused), '', "crash $round: no answer was refused or wrong");
	is(join("\n", @verdicts), '', "crash $round: each secret is answered as it must be");
	is(join("\n", @counts), '', "crash $round: counts are none too high, and none that was flushed is lost");
	is(join("\n", @again, grep { $shown{$_} > 1 } keys %shown), '', "crash $round: no live secret is given out twice");
	is(query($node, 'SELECT * FROM falukeys.broken_invariants()'), '', "crash $round: no invariant is broken");
	last if @unsettled;
}

# All of it once more, also what was not touched lately
foreach my $model (@models)
{
	my @tags = sort keys %{ $model->{keys} };
	my $facts = facts_of($model->{workspace}, @tags);

	my $client = "client $model->{number}";

	is(join("\n", differences($model, $facts, \@tags)), '', "$client: everything is there at the end");
	is(join("\n", wrong_verdicts($model, @tags)), '', "$client: every secret is answered as it must be");
	is(join("\n", wrong_counts($model, facts_of($model->{workspace}, @tags))), '', "$client: counts add up");
	is(scalar(rows(facts_query("k.workspace_id = '$model->{workspace}' AND k.description LIKE 'c%'"))),
		scalar(grep { $_->{kind} ne 'temporary' } values %{ $model->{keys} }), "$client: and nothing else");
}

# A secret that all wanted was shown to one, or is lost to one who was not answered, or still waits.
my @twice = grep { keys %{ $wanted{$_}{shown} || {} } > 1 } sort keys %wanted;
is("@twice", '', 'of the secrets that all clients wanted, each was shown as one text');
my $last = WireClient->new($node);
my @wrong;
foreach my $id (sort keys %wanted)
{
	my $answer = $last->query("SELECT falukeys.reveal_key('$id')");
	my $refused = $answer->{error} && $answer->{error} eq '55000';

	push @wrong, "$id is shown again" if $wanted{$id}{shown} && !$refused;
	push @wrong, "$id is lost to nobody" if !$wanted{$id}{asked} && $refused;
	push @wrong, "$id: $answer->{message}" if $answer->{error} && !$refused;
}
is(join("\n", @wrong), '', 'each of them is refused once it was shown, and opens where no one had asked');

# What was flushed before a crash is there after it, to the last one, once any
# commit has been acknowledged since: a flush itself does not wait for the disk.
my ($id, $key) = new_key($node, $shared);
verify($node, $key, 1000);
wait_for_flush($node);
query($node, "SELECT falukeys.disable_key('$id')");
$node->stop('immediate');
$node->start;
is(counted($node, $id), '1000|0', 'a crash takes nothing of what was flushed, and adds nothing');

note join(', ', map { "$_: $kinds{$_}" } sort keys %kinds);
note join(', ', map { "$_: $acknowledged{$_}" } sort keys %acknowledged);
note scalar(keys %shown) . ' live secrets shown; ' . ($unanswered // 0) . ' statements unanswered, of which '
  . ($done // 0) . ' were done';

$node->stop;
done_testing();
