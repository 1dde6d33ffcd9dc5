# For one live secret at most one call of reveal_key ever returns its plaintext,
# whatever happens around it.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $live_key = qr/^fskl_[0-9A-Za-z]{49}$/;
my $revealed = qr/has been revealed.*HINT:.*[Rr]oll the key or create another one/s;

# Nothing but the reveal itself makes anything durable here.
my $node = new_server('reveal_once', conf => <<CONF);
synchronous_commit = off
wal_writer_delay = 10s
max_prepared_transactions = 2
CONF
my $workspace = new_workspace($node, 'Reveal once');

sub sealed { return new_sealed($node, $workspace, 'live'); }

sub refused_again
{
	my ($id, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return refused($node, "SELECT falukeys.reveal_key('$id')", '55000', $revealed, $name);
}

# Reveals, in SQL that has a %s where the call goes, and answers the plaintext.
sub reveal_within
{
	my ($sql, $id, $name) = @_;
	my ($sqlstate, $messages, $output) =
	  attempt($node, sprintf($sql, "SELECT falukeys.reveal_key('$id', 'a safe');"));
	my ($key) = grep { /$live_key/ } split(/\n/, $output);

	ok(defined $key, "$name: shown once") or diag "$messages\n$output";
	return $key;
}

# Whatever is done with the transaction

foreach my $case (
	[ 'COMMIT', 'BEGIN; %s COMMIT;' ],
	[ 'ROLLBACK', 'BEGIN; %s ROLLBACK;' ],
	[ 'ROLLBACK TO SAVEPOINT', 'BEGIN; SAVEPOINT s; %s ROLLBACK TO s; COMMIT;' ],
	[ 'savepoint released, ROLLBACK', 'BEGIN; SAVEPOINT s; %s RELEASE s; ROLLBACK;' ],
	[ 'a failed statement', 'BEGIN; %s SELECT 1 / 0; COMMIT;' ],
	[ 'REPEATABLE READ', 'BEGIN ISOLATION LEVEL REPEATABLE READ; %s ROLLBACK;' ],
	[ 'SERIALIZABLE', 'BEGIN ISOLATION LEVEL SERIALIZABLE; %s ROLLBACK;' ],
	[ 'a prepared transaction', "BEGIN; %s PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p';" ],
	[ 'the end of the session', "BEGIN; %s SELECT pg_terminate_backend(pg_backend_pid());" ],
	[ 'after a roll, ROLLBACK of both', 'BEGIN; %s SELECT falukeys.roll_key(id, reveal => false) IS NULL'
		  . " FROM falukeys.keys WHERE mode = 'live' AND kind = 'secret' ORDER BY id DESC LIMIT 1; ROLLBACK;" ])
{
	my ($name, $sql) = @$case;
	my $id = sealed();
	my $key;

	if ($name eq 'the end of the session')
	{
		# psql ends with its connection, so what it printed is looked at alone.
		my ($status, $stdout) = $node->psql('postgres',
			sprintf($sql, "SELECT falukeys.reveal_key('$id', 'a safe');"), on_error_stop => 0);
		($key) = grep { /$live_key/ } split(/\n/, $stdout);
		ok(defined $key, "$name: shown once");
	}
	else
	{
		$key = reveal_within($sql, $id, $name);
	}
	is_code($node, $key, 'valid', "$name: what was shown is the key");
	refused_again($id, "$name: not shown again");
	refused_again($id, "$name: nor a third time");
	is( query($node, <<SQL), 'true|true|a safe', "$name: time, role and place of the first reveal are kept");
SELECT (revealed_at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp())::text,
       (revealed_by::text = current_user)::text, saved_in
  FROM falukeys.dashboard WHERE key_id = '$id'
SQL
}

# Within one transaction

{
	my $id = sealed();
	my $session = session($node);

	session_attempt($session, 'BEGIN; SAVEPOINT s');
	my ($sqlstate, $messages, $key) = session_attempt($session, "SELECT falukeys.reveal_key('$id')");
	like($key, $live_key, 'in a savepoint: shown');
	session_attempt($session, 'ROLLBACK TO s');
	session_refused($session, "SELECT falukeys.reveal_key('$id')", '55000', $revealed,
		'after ROLLBACK TO, in the same transaction: refused');
	session_attempt($session, 'ROLLBACK');
	session_refused($session, "SELECT falukeys.reveal_key('$id')", '55000', $revealed,
		'and after ROLLBACK, in the same session');
	$session->quit;
}

{
	my $id = sealed();
	my $old = session($node);

	session_attempt($old, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM falukeys.sealed_secrets');
	like(query($node, "SELECT falukeys.reveal_key('$id')"), $live_key, 'revealed beside an old snapshot');
	session_refused($old, "SELECT falukeys.reveal_key('$id')", '55000', $revealed,
		'the old snapshot does not bring it back');
	$old->quit;
}

{
	my $id = sealed();
	my $output = query($node, <<SQL);
DO \$\$
DECLARE key text; shown integer := 0;
BEGIN
	FOR i IN 1..5 LOOP
		BEGIN
			key := falukeys.reveal_key('$id');
			shown := shown + 1;
			RAISE division_by_zero;
		EXCEPTION
			WHEN division_by_zero OR object_not_in_prerequisite_state THEN NULL;
		END;
	END LOOP;
	PERFORM set_config('test.shown', shown::text, false);
END \$\$;
SELECT current_setting('test.shown');
SQL
	is($output, '1', 'five subtransactions that are rolled back: one sees it');
}

# A transaction that gives the table another file takes the mark with it.

foreach my $rewrite (
	'CLUSTER falukeys.sealed_secrets USING sealed_secrets_pkey',
	'ALTER TABLE falukeys.sealed_secrets ALTER COLUMN first_saved_in TYPE text COLLATE "C"')
{
	my $id = sealed();
	my (undef, undef, $output) =
	  attempt($node, "BEGIN; $rewrite; SELECT falukeys.reveal_key('$id'); ROLLBACK; "
		. "SELECT falukeys.reveal_key('$id');");
	my @shown = grep { /$live_key/ } split(/\n/, $output);

	is(scalar(@shown), 1, "shown once around $rewrite, rolled back");
}
{
	my $spent = sealed();
	my $waiting = sealed();

	query($node, "SELECT falukeys.reveal_key('$spent')");
	query($node, 'VACUUM FULL falukeys.sealed_secrets');
	query($node, 'CLUSTER falukeys.sealed_secrets USING sealed_secrets_pkey');
	query($node, 'REINDEX TABLE CONCURRENTLY falukeys.sealed_secrets');
	refused_again($spent, 'rewriting the table does not bring a spent secret back');
	like(query($node, "SELECT falukeys.reveal_key('$waiting')"), $live_key, 'nor lose a waiting one');
}

# What create_key and roll_key show

{
	my ($id, $key) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
	like($key, $live_key, 'create_key shows it');
	refused_again($id, 'so reveal_key does not');

	my ($sqlstate, $messages, $output) = attempt($node, <<SQL);
BEGIN;
SELECT falukeys.reveal_key('$id');
ROLLBACK;
SELECT falukeys.reveal_key('$id');
SQL
	is($sqlstate, '55000', 'not around a ROLLBACK either');
	unlike($output, qr/fskl_/, 'nothing shown');

	($id) = split(/\|/, query($node, "BEGIN; SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live'); "
		. "ROLLBACK;"));
	refused($node, "SELECT falukeys.reveal_key('$id')", '42704', qr/does not exist/,
		'a key whose creation was rolled back does not exist');

	$id = sealed();
	my (undef, $rolled) = split(/\|/, query($node, "BEGIN; SELECT * FROM falukeys.roll_key('$id'); ROLLBACK;"));
	is_code($node, $rolled, 'unknown', 'a roll that was rolled back never was');
	like(query($node, "SELECT falukeys.reveal_key('$id')"), $live_key, 'and the secret before it still waits');
	query($node, "BEGIN; SELECT falukeys.roll_key('$id', reveal => false); ROLLBACK;");
	refused_again($id, 'until it is revealed: a roll that is rolled back does not give it back');

	query($node, "SELECT falukeys.roll_key('$id')");
	refused_again($id, 'what roll_key showed is not shown again');
	query($node, "SELECT falukeys.roll_key('$id', reveal => false)");
	$key = query($node, "SELECT falukeys.reveal_key('$id')");
	is_code($node, $key, 'valid', 'a roll that shows nothing gives one more reveal');
	refused_again($id, 'and just one');
}

# Where nothing can be written, and where the master key is missing: not used up

{
	my $id = sealed();

	foreach my $begin ('BEGIN READ ONLY', 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY',
		'SET default_transaction_read_only = on; BEGIN')
	{
		refused($node, "$begin; SELECT falukeys.reveal_key('$id');", '25006', qr/read-only transaction/,
			"$begin: refused");
	}
	my $file = $node->data_dir . '/falukeys.key';
	rename($file, "$file.away") or die;
	refused($node, "SELECT falukeys.reveal_key('$id')", '55000', qr/falukeys\.key/, 'without the master key: refused');
	rename("$file.away", $file) or die;
	is(query($node, "SELECT revealed_at IS NULL FROM falukeys.dashboard WHERE key_id = '$id'"), 't', 'not used up');
	is_code($node, query($node, "SELECT falukeys.reveal_key('$id')"), 'valid', 'shown after all that');
	refused_again($id, 'once');
}

# Crashes

foreach my $case ('in an open transaction', 'committed', 'rolled back', 'after a checkpoint')
{
	my $id = sealed();
	my $waiting = sealed();
	my $session;
	my $key;

	query($node, 'CHECKPOINT');
	if ($case eq 'in an open transaction')
	{
		$session = session($node);
		session_attempt($session, 'BEGIN');
		(undef, undef, $key) = session_attempt($session, "SELECT falukeys.reveal_key('$id', 'before the crash')");
	}
	else
	{
		my $end = $case eq 'rolled back' ? 'ROLLBACK' : 'COMMIT';
		$key = query($node, "BEGIN; SELECT falukeys.reveal_key('$id', 'before the crash'); $end;");
		query($node, 'CHECKPOINT') if $case eq 'after a checkpoint';
	}
	$node->stop('immediate');
	eval { $session->quit } if $session;
	$node->start;

	like($key, $live_key, "immediate stop, $case: shown before");
	is_code($node, $key, 'valid', 'the key is what it was');
	refused_again($id, 'not shown again after the crash');
	is( query($node, "SELECT revealed_at < now() AND revealed_by = current_user "
		. "AND rtrim(first_saved_in) = 'before the crash'"
			  . " FROM falukeys.sealed_secrets WHERE key_id = '$id'"),
		't', 'time, role and place are kept');
	like(query($node, "SELECT falukeys.reveal_key('$waiting')"), $live_key, 'what was not revealed still waits');
}

# A crash in the midst of many reveals: none that was shown is shown again.

foreach my $round (1 .. 3)
{
	my @ids = map { new_sealed($node, $workspace, 'live') } 1 .. 60;
	my @sessions = map { session($node) } 1 .. 3;
	my %shown;

	foreach my $i (0 .. $#sessions)
	{
		my @own = grep { $_ % @sessions == $i } 0 .. $#ids;
		my $reveals = join("\n", map { "SELECT '$ids[$_] ' || falukeys.reveal_key('$ids[$_]');" } @own);

		$reveals = "BEGIN;\n$reveals" if $i == 0;
		# Nothing of what it prints is to be taken for read before it is looked at.
		$sessions[$i]->{stdin} .= "$reveals\nSELECT pg_sleep(60);\n";
		$sessions[$i]->{run}->pump_nb;
	}
	# Some have been shown by then.
	$sessions[0]->{run}->pump until $sessions[0]->{stdout} =~ /fskl_.*\n.*fskl_/ || $sessions[0]->{timeout}->is_expired;
	query($node, 'CHECKPOINT') if $round == 2;
	$node->stop('immediate');
	# With the server gone psql ends by itself, and what it printed is read to the end.
	foreach my $run (map { $_->{run} } @sessions)
	{
		eval { $run->pump while $run->pumpable; };
		eval { $run->finish };
	}
	my $output = join('', map { $_->{stdout} } @sessions);
	$shown{$1} = $2 while $output =~ /(key_\w+) (fskl_\w{49})\n/g;
	$node->start;

	my @again = grep { (attempt($node, "SELECT falukeys.reveal_key('$_')"))[2] =~ /fskl_/ } keys %shown;
	cmp_ok(scalar(keys %shown), '>=', 2, 'a crash in the midst of reveals: some were shown');
	is(scalar(@again), 0, 'none of them is shown again');
	note scalar(keys %shown) . ' were shown';
	is(query($node, "SELECT count(*) FROM unnest('{" . join(',', values %shown)
		. "}'::text[]) k WHERE (falukeys.verify_key(k)).valid"),
		scalar(keys %shown), 'and all are valid');
}

# The page no longer has it.

{
	my $id = sealed();
	my $ciphertext = pack('H*', query($node,
		"SELECT encode(substr(seal, 51), 'hex') FROM falukeys.sealed_secrets WHERE key_id = '$id'"));
	my $base = $node->data_dir . '/base';

	is(length($ciphertext), 54, 'a ciphertext is as long as a key');
	query($node, 'CHECKPOINT');
	is(scalar(find_in_files([$ciphertext], $base)), 1, 'the ciphertext is in one file');
	query($node, "BEGIN; SELECT falukeys.reveal_key('$id'); ROLLBACK; CHECKPOINT;");
	is(scalar(find_in_files([$ciphertext], $base)), 0, 'and in none once revealed');
	is( query($node, "SELECT encode(substr(seal, 11), 'hex') FROM falukeys.sealed_secrets WHERE key_id = '$id'"),
		'0' x (2 * 94), 'zeros are there instead');
}

# In-place changes leave the table as it must be.

query($node, 'VACUUM (FREEZE) falukeys.sealed_secrets; CREATE EXTENSION amcheck;');
is(query($node, "SELECT count(*) FROM verify_heapam('falukeys.sealed_secrets')"), 0, 'the table is sound');
is(query($node, "SELECT bt_index_parent_check('falukeys.sealed_secrets_pkey', true)"), '', 'and so is its index');

$node->stop;
done_testing();
