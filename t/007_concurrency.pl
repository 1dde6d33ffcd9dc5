# Many sessions at once: no verification fails or is stale beside rolls and
# revocations, one of many gets a live secret, and nothing is made twice.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('concurrency', conf => "deadlock_timeout = 100ms\n");
my $workspace = new_workspace($node, 'Concurrency');
query($node, "SELECT falukeys.define_permission(p) FROM unnest('{one,two,three}'::text[]) p");

# Sends SQL to a session of its own for each and answers what they printed and
# complained of; they wait for each other at the start.
sub at_once
{
	my (@sql) = @_;
	my $gate = session($node);
	my @sessions = map { session($node) } @sql;
	my @outputs;

	session_attempt($gate, 'SELECT pg_advisory_lock(1)');
	foreach my $i (0 .. $#sql)
	{
		$sessions[$i]->query_until(qr/waiting/, "\\echo waiting\n"
			  . "SELECT pg_advisory_lock_shared(1); SELECT pg_advisory_unlock_shared(1);\n$sql[$i];\n");
	}
	$node->poll_query_until('postgres',
		"SELECT count(*) = ${\ scalar @sql} FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1")
	  or die 'the sessions do not wait';
	session_attempt($gate, 'SELECT pg_advisory_unlock(1)');
	foreach my $session (@sessions)
	{
		$session->{stdin} .= "\\q\n";
		$session->{run}->finish;
		push @outputs, [ $session->{stdout} =~ s/^(waiting|t)?\n//gmr, $session->{stderr} ];
	}
	$gate->quit;
	return @outputs;
}

sub no_errors
{
	my ($name, @outputs) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(join('', grep { /ERROR|FATAL/ } map { $_->[1] } @outputs), '', "$name: no error");
	return;
}

# Verifications beside changes. Each verification is noted with the time at
# which it began, each change with the time at which its commit had returned.

query($node, <<'SQL');
CREATE UNLOGGED TABLE secrets (n integer PRIMARY KEY, key text, ended timestamptz);
CREATE UNLOGGED TABLE answers (n integer, began timestamptz, finished timestamptz, code text, isolation text);
CREATE FUNCTION verify_in_loop(seconds float, permission text, client inet) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	finish timestamptz := clock_timestamp() + seconds * interval '1 second';
	began timestamptz; code text; count bigint := 0;
	texts text[]; i integer; last_codes text[] := '{}';
BEGIN
	LOOP
		-- In an old snapshot the list stays as it was.
		SELECT array_agg(key ORDER BY n) INTO texts FROM secrets;
		FOR i IN greatest(1, cardinality(texts) - 2) .. cardinality(texts) LOOP
			began := clock_timestamp();
			SELECT v.code INTO STRICT code FROM falukeys.verify_key(texts[i], permission, client) v;
			count := count + 1;
			-- Only what differs from the last answer says anything new, but for the last valid one.
			IF code = 'valid' OR code IS DISTINCT FROM last_codes[i] THEN
				INSERT INTO answers VALUES (i, began, clock_timestamp(), code,
					current_setting('transaction_isolation'));
				last_codes[i] := code;
			END IF;
		END LOOP;
		EXIT WHEN clock_timestamp() > finish;
	END LOOP;
	RETURN count;
END $$;
SQL

sub verifiers
{
	my ($seconds) = @_;

	return (
		("SELECT verify_in_loop($seconds, 'one', '10.1.2.3')") x 2,
		"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM secrets; "
			. "SELECT verify_in_loop($seconds, 'one', '10.1.2.3'); COMMIT",
		"BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM secrets; "
			. "SELECT verify_in_loop($seconds, 'one', '10.1.2.3'); COMMIT");
}

sub check_answers
{
	my ($name, $expected, @outputs) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	no_errors($name, @outputs);
	is(query($node, 'SELECT string_agg(DISTINCT code, \' \' ORDER BY code) FROM answers'), $expected,
		"$name: only the codes that may be");
	is(query($node, "SELECT count(*) FROM answers a JOIN secrets s USING (n) WHERE a.code = 'valid' "
		. "AND a.began > s.ended"), 0,
		"$name: none was valid that began after the commit had returned")
	  or diag query($node, "SELECT n, isolation, a.began - s.ended FROM answers a JOIN secrets s USING (n) "
		. "WHERE a.code = 'valid' AND a.began > s.ended LIMIT 20");
	note query($node, "SELECT isolation, code, count(*), count(DISTINCT n) FROM answers GROUP BY 1, 2 ORDER BY 1, 2");
	return;
}

# Rolls: a new secret each time
my ($id, $key) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
query($node, "INSERT INTO secrets VALUES (1, '$key')");
my $maintenance = join('; ', ('VACUUM falukeys.keys', 'REINDEX INDEX CONCURRENTLY falukeys.keys_by_secret',
	'VACUUM falukeys.retired_secrets',
	'REINDEX INDEX CONCURRENTLY falukeys.keys_pkey', 'ANALYZE falukeys.keys',
	'REINDEX INDEX CONCURRENTLY falukeys.retired_secrets_pkey') x 3);
my @outputs = at_once(verifiers(5), $maintenance, <<SQL);
DO \$\$
DECLARE new_key text; i integer;
BEGIN
	FOR i IN 1..40 LOOP
		PERFORM pg_sleep(0.1);
		SELECT key INTO new_key FROM falukeys.roll_key('$id');
		COMMIT;
		UPDATE secrets SET ended = clock_timestamp() WHERE n = i;
		INSERT INTO secrets VALUES (i + 1, new_key);
		COMMIT;
	END LOOP;
END \$\$
SQL
check_answers('rolls', 'rolled valid', @outputs);
is(query($node, 'SELECT count(*) FROM secrets'), 41, 'rolls: there were forty');
is(query($node, "SELECT count(DISTINCT isolation) FROM answers WHERE code = 'rolled'"), 3,
	'rolls: seen at every isolation level');
is(query($node, 'SELECT string_agg((falukeys.verify_key(key)).code, \' \' ORDER BY n) FROM secrets'),
	'rolled ' x 40 . 'valid', 'rolls: the last one is valid');

# Revocations, at the time of many verifications
query($node, 'TRUNCATE secrets, answers');
my @ids;
foreach my $n (1 .. 3)
{
	($id, $key) = split(/\|/, query($node,
		"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live', permissions => '{one}', "
		. "networks => '{10.0.0.0/8}')"));
	query($node, "INSERT INTO secrets VALUES ($n, '$key')");
	push @ids, $id;
}
@outputs = at_once(verifiers(3), join('; ', map { <<SQL } 0 .. 2));
SELECT pg_sleep(0.5);
SELECT falukeys.revoke_key('$ids[$_]');
UPDATE secrets SET ended = clock_timestamp() WHERE n = ${\ ($_ + 1)}
SQL
check_answers('revocations', 'revoked valid', @outputs);

# A restriction that is replaced is never half there, nor is a rolled key.
query($node, 'TRUNCATE secrets, answers');
($id, $key) = split(/\|/, query($node,
	"SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live', permissions => '{one,two}', "
	. "networks => '{10.0.0.0/8}')"));
query($node, "INSERT INTO secrets VALUES (1, '$key')");
@outputs = at_once(verifiers(4), <<SQL);
DO \$\$
BEGIN
	FOR i IN 1..300 LOOP
		PERFORM falukeys.restrict_key('$id',
			CASE i % 3 WHEN 0 THEN '{one,two}' WHEN 1 THEN '{one,three}' ELSE '{one}' END::text[],
			CASE i % 2 WHEN 0 THEN '{10.0.0.0/8}' ELSE '{10.1.0.0/16,192.0.2.0/24}' END::cidr[]);
		COMMIT;
		PERFORM falukeys.clear_permissions('$id');
		COMMIT;
	END LOOP;
END \$\$
SQL
check_answers('restrictions replaced', 'valid', @outputs);

# Suspended and resumed, with what sessions remember
query($node, 'TRUNCATE secrets, answers');
query($node, "INSERT INTO secrets VALUES (1, '$key')");
query($node, 'CREATE TABLE suspensions (began timestamptz, ended timestamptz)');
@outputs = at_once(verifiers(4), <<SQL);
DO \$\$
DECLARE start timestamptz; stop timestamptz;
BEGIN
	FOR i IN 1..30 LOOP
		PERFORM falukeys.suspend_workspace('$workspace');
		COMMIT;
		start := clock_timestamp();
		PERFORM pg_sleep(0.03);
		stop := clock_timestamp();
		PERFORM falukeys.resume_workspace('$workspace');
		INSERT INTO suspensions VALUES (start, stop);
		COMMIT;
		PERFORM pg_sleep(0.03);
	END LOOP;
END \$\$
SQL
no_errors('suspensions', @outputs);
is(query($node, "SELECT string_agg(DISTINCT code, ' ' ORDER BY code) FROM answers"), 'valid workspace_suspended',
	'suspensions: both codes were seen');
is(query($node, "SELECT count(*) FROM answers a JOIN suspensions s ON a.began > s.began AND a.finished < s.ended "
	. "WHERE code = 'valid'"),
	0, 'suspensions: none was valid that began and ended while suspended');

# One of sixteen gets a live secret.

@ids = map { new_sealed($node, $workspace, 'live') } 1 .. 20;
query($node, 'CREATE UNLOGGED TABLE shown (n integer, key text, code text)');
my $reveals = sprintf(<<'SQL', join(',', @ids));
DO $$
DECLARE ids text[] := '{%s}'; shown text; code text;
BEGIN
	FOR n IN 1..20 LOOP
		PERFORM pg_advisory_lock_shared(100 + n);
		shown := NULL;
		code := '00000';
		BEGIN
			shown := falukeys.reveal_key(ids[n]);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
		END;
		INSERT INTO shown VALUES (n, shown, code);
		COMMIT;
	END LOOP;
END $$
SQL
my $gate = session($node);
session_attempt($gate, join('; ', map { "SELECT pg_advisory_lock(100 + $_)" } 1 .. 20));
my @racers = map { session($node) } 1 .. 16;
$_->query_until(qr/waiting/, "\\echo waiting\n$reveals;\n") foreach @racers;
foreach my $n (1 .. 20)
{
	$node->poll_query_until('postgres',
		"SELECT count(*) = 16 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 100 + $n")
	  or die 'the racers do not wait';
	session_attempt($gate, "SELECT pg_advisory_unlock(100 + $n)");
}
$_->quit foreach @racers;
$gate->quit;
is(query($node, "SELECT count(*) || ' ' || count(key) || ' ' || count(DISTINCT n) FILTER (WHERE key IS NOT NULL) "
	. "FROM shown"),
	'320 20 20', 'sixteen sessions at once: each of twenty live secrets is shown to one');
is(query($node, "SELECT string_agg(DISTINCT code, ' ' ORDER BY code) FROM shown WHERE key IS NULL"), '55000',
	'the others are refused with 55000');
is(query($node, 'SELECT count(*) FROM shown WHERE (falukeys.verify_key(key)).valid'), 20, 'what was shown is valid');

# The same, with everyone rolling back

@ids = map { new_sealed($node, $workspace, 'live') } 1 .. 10;
@outputs = at_once((join('; ', map { "BEGIN; SELECT falukeys.reveal_key('$_'); ROLLBACK" } @ids)) x 8);
my @shown = map { $_->[0] =~ /(fskl_[0-9A-Za-z]{49})/g } @outputs;
my %distinct = map { ($_ => 1) } @shown;
is(scalar(@shown), 10, 'eight sessions that roll back: ten secrets are shown ten times');
is(scalar(keys %distinct), 10, 'each once');

# Reveal against roll, many times: what is shown is the secret before or after, whole.

{
	my @ids = map { new_sealed($node, $workspace, 'live') } 1 .. 10;
	my @outputs = at_once(
		(join('; ', map { "SELECT falukeys.reveal_key('$_')" } @ids)) x 2,
		(join('; ', map { "SELECT falukeys.roll_key('$_', reveal => false)" } @ids)) x 2);
	my @errors = map { $_->[1] =~ /ERROR:\s+(\w+): (.*)/g } @outputs;
	my @shown = map { $_->[0] =~ /(fskl_[0-9A-Za-z]{49})/g } @outputs;
	my %distinct = map { ($_ => 1) } @shown;

	is(scalar(grep { /^[0-9A-Z]{5}$/ && $_ ne '55000' } @errors), 0, 'reveal against roll: no error but 55000')
		or diag join("\n", @errors);
	is(scalar(@shown), scalar(keys %distinct), 'reveal against roll: no secret is shown twice');
	is(query($node, "SELECT string_agg(DISTINCT (falukeys.verify_key(k)).code, ' ') FROM unnest('{" . join(',', @shown)
		. "}'::text[]) k") =~ /^(rolled|valid|rolled valid|valid rolled)$/ ? 1 : 0,
		1, 'reveal against roll: what was shown was a secret of the key');
}

# Rolls of one key by many

{
	my ($id) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
	my @outputs = at_once((join('; ', ("SELECT key FROM falukeys.roll_key('$id')") x 10)) x 6);
	my @made = map { $_->[0] =~ /(fskl_[0-9A-Za-z]{49})/g } @outputs;

	no_errors('six sessions roll one key', @outputs);
	is(scalar(@made), 60, 'sixty secrets');
	is(query($node, "SELECT string_agg((falukeys.verify_key(k)).code, ' ' ORDER BY 1) FROM unnest('{" . join(',', @made)
		. "}'::text[]) k")
		  =~ s/rolled| //gr, 'valid', 'of which one is valid and the others are rolled');
	is(query($node, "SELECT count(*) FROM falukeys.events WHERE key_id = '$id' AND event = 'key.rolled'"), 60,
		'and sixty events');
}

# What there may be but one of

{
	my $pending = query($node, "SELECT falukeys.create_workspace('Approved by many')");
	my @outputs = at_once(("SELECT falukeys.approve_workspace('$pending')") x 8);

	no_errors('eight sessions approve one workspace', @outputs);
	is(query($node, "SELECT string_agg(kind || ' ' || mode, ', ' ORDER BY mode, kind) FROM falukeys.keys "
		. "WHERE workspace_id = '$pending'"),
		'public test, secret test, public live, secret live', 'one live pair');
	is(query($node, "SELECT count(*) FROM falukeys.events WHERE workspace_id = '$pending' "
		. "AND event = 'workspace.approved'"), 1, 'one event');

	@outputs = at_once(("SELECT falukeys.import_key('$workspace', 'fskt_importedbymanyimportedbymany')") x 8);
	is(scalar(grep { $_->[0] =~ /^key_/m } @outputs), 1, 'eight sessions import one key: one does');
	is(scalar(grep { $_->[1] =~ /ERROR:\s+23505:(?!.*DETAIL)/s } @outputs), 7, 'seven are refused');

	query($node, 'CREATE ROLE ann; CREATE ROLE ben');
	my $shared = query($node, "SELECT falukeys.create_workspace('Two administrators', 'ann')");
	query($node, "SELECT falukeys.add_member('$shared', 'ben', 'administrator')");
	@outputs = at_once("SELECT falukeys.remove_member('$shared', 'ann')",
		"SELECT falukeys.add_member('$shared', 'ben', 'member')");
	is(query($node, "SELECT count(*) FROM falukeys.members WHERE workspace_id = '$shared' AND role = 'administrator'"),
		1, 'one administrator stays');
	is(scalar(grep { $_->[1] =~ /ERROR:\s+55000:/ } @outputs), 1, 'one of the two is refused');

	my ($id) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
	($key) = query($node, "SELECT key FROM falukeys.roll_key('$id')");
	@outputs = at_once(("SELECT falukeys.report_compromised_key('$key')") x 6);
	no_errors('six reports of one leak', @outputs);
	is(query($node, "SELECT count(*) FROM falukeys.events WHERE key_id = '$id' AND event = 'key.compromised'"),
		1, 'one reissue');
}

# Rotations beside sealing and revealing: no secret is lost.

{
	my @outputs = at_once(
		(join('; ', map { "SELECT falukeys.create_key('$workspace', 'secret', 'test', reveal => false);"
				  . " SELECT falukeys.reveal_key(id) IS NULL FROM falukeys.keys WHERE kind = 'secret' "
					. "AND mode = 'test' AND NOT imported ORDER BY id DESC LIMIT 1" } 1 .. 30)) x 3,
		join('; ', ('SELECT falukeys.rotate_master_key()') x 15));

	no_errors('rotations beside sealing and revealing', @outputs);
	is( query($node, "SELECT count(*) - count(*) FILTER (WHERE (falukeys.verify_key(falukeys.reveal_key(id))).valid) "
		. "FROM falukeys.keys WHERE kind = 'secret' AND mode = 'test' AND NOT imported"),
		0, 'every test secret opens');
	is( query($node, "SELECT count(*) FROM falukeys.sealed_secrets WHERE get_byte(seal, 1) = 1 AND substr(seal, 3, "
		. "8) <> (SELECT substr(seal, 3, 8) FROM falukeys.sealed_secrets WHERE get_byte(seal, 1) = 1 LIMIT 1)"),
		0, 'and all are under one key');
}

# Events beside transactions that have recorded some and stay open: no one waits,
# and every number is given once.

{
	my @open = map { session($node) } 1 .. 4;

	session_attempt($_, "BEGIN; SELECT falukeys.create_key('$workspace', 'secret', 'test') IS NOT NULL") foreach @open;
	my $last = query($node, 'SELECT max(id) FROM falukeys.events');
	my @outputs = at_once((join('; ', "SET lock_timeout = '5s'",
			map { ("BEGIN; SELECT falukeys.create_key('$workspace', 'secret', 'test') IS NULL",
				'SAVEPOINT s', "SELECT falukeys.create_workspace('Concurrency $_') IS NULL", 'ROLLBACK TO s',
				"SELECT falukeys.disable_key(max(id)) IS NULL FROM falukeys.keys "
					. "WHERE xmin::text = pg_current_xact_id()::text",
				$_ % 5 ? 'COMMIT' : 'ROLLBACK') } 1 .. 20)) x 16);

	no_errors('events at once', @outputs);
	session_attempt($_, 'COMMIT') foreach @open;
	is(query($node, "SELECT count(*) FROM falukeys.events WHERE event = 'key.created' AND id > $last"),
		4 + 16 * 16, 'every event of who committed is there');
	is(query($node, "SELECT count(*) FROM falukeys.events WHERE id > $last AND key_id IS NOT NULL "
		. "AND key_id NOT IN (SELECT id FROM falukeys.keys)"),
		0, 'and none of who did not');
	$_->quit foreach @open;
}

$node->stop;
done_testing();
