# A sealed secret that was tampered with does not open. Triggers are disabled
# here, as only a superuser or the owner could.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $live_key = qr/^fskl_[0-9A-Za-z]{49}$/;
my $not_open = qr/sealed secret of key .* does not open/;
my $node = new_server('tampering');
my $workspace = new_workspace($node, 'Tampering');

sub seal_of { return query($node, "SELECT seal FROM falukeys.sealed_secrets WHERE key_id = '$_[0]'"); }

sub set_seal
{
	my ($id, $seal) = @_;

	query($node, "UPDATE falukeys.sealed_secrets SET seal = '$seal' WHERE key_id = '$id'");
	return;
}

# Refused while triggers are there, whatever else a superuser switches off

my $id = new_sealed($node, $workspace, 'live');
my $seal = seal_of($id);
refused($node, "UPDATE falukeys.sealed_secrets SET seal = '$seal' WHERE key_id = '$id'", '55000', qr/sealed_secrets/,
	'UPDATE is refused');
refused($node, "DELETE FROM falukeys.sealed_secrets WHERE key_id = '$id'", '55000', qr/sealed_secrets/, 'DELETE too');
refused($node, 'TRUNCATE falukeys.sealed_secrets', '55000', qr/sealed_secrets/, 'and TRUNCATE');
query($node, 'ALTER TABLE falukeys.sealed_secrets DISABLE TRIGGER USER');

# The layout that the rest relies on

my %region = (
	version => [ 0, 1 ],
	state => [ 1, 1 ],
	fingerprint => [ 2, 8 ],
	binding => [ 10, 12 ],
	nonce => [ 22, 12 ],
	tag => [ 34, 16 ],
	ciphertext => [ 50, 54 ]);
my $bytes = pack('H*', substr($seal, 2));
is(length($bytes), 104, 'a seal has 104 bytes');
is(unpack('H*', substr($bytes, 0, 2)), '0101', 'the first version, closed');

# A swapped one

foreach my $mode ('live', 'test')
{
	my @ids = map { new_sealed($node, $workspace, $mode) } 1 .. 2;
	my @seals = map { seal_of($_) } @ids;

	set_seal($ids[0], $seals[1]);
	set_seal($ids[1], $seals[0]);
	refused($node, "SELECT falukeys.reveal_key('$_')", '55000', $not_open, "$mode: swapped, it does not open")
		foreach @ids;
	set_seal($ids[$_], $seals[$_]) foreach (0, 1);
	is_code($node, query($node, "SELECT falukeys.reveal_key('$_')"), 'valid',
		"$mode: in its place again, it does: not used up")
	  foreach @ids;
}

# A row given to another key: the first one is not to be had under its id.

{
	my @ids = map { new_sealed($node, $workspace, 'live') } 1 .. 2;

	query($node, <<SQL);
ALTER TABLE falukeys.keys DISABLE TRIGGER ALL;
CREATE TABLE swapped AS SELECT id, secret FROM falukeys.keys WHERE id IN ('$ids[0]', '$ids[1]');
UPDATE falukeys.keys SET secret = 'fskl_neverneverneverneverneverneverneverne' WHERE id = '$ids[0]';
UPDATE falukeys.keys SET secret = (SELECT secret FROM swapped WHERE id = '$ids[0]') WHERE id = '$ids[1]';
UPDATE falukeys.keys SET secret = (SELECT secret FROM swapped WHERE id = '$ids[1]') WHERE id = '$ids[0]';
SQL
	foreach my $id (@ids)
	{
		my ($sqlstate, $messages, $output) = attempt($node, "SELECT falukeys.reveal_key('$id')");

		is($sqlstate, '55000', "with another key's secret in keys, it is refused") or diag $messages;
		unlike($output, qr/fskl_/, 'and not shown');
	}
	query($node, "UPDATE falukeys.sealed_secrets s SET key_id = k.id FROM falukeys.keys k "
		. "WHERE k.secret OPERATOR(falukeys.=) s.secret AND k.id IN ('$ids[0]', '$ids[1]')");
	refused($node, "SELECT falukeys.reveal_key('$_')", '55000', $not_open, 'nor where sealed_secrets agrees')
		foreach @ids;
	query($node, 'ALTER TABLE falukeys.keys ENABLE TRIGGER ALL');
}

# Every bit

my $errors = <<'SQL';
DO $$
DECLARE
	id text := '%s';
	original bytea;
	code text; message text; hint text; detail text;
	opened text;
BEGIN
	SELECT seal INTO STRICT original FROM falukeys.sealed_secrets WHERE key_id = id;
	FOR bit IN %d .. %d LOOP
		UPDATE falukeys.sealed_secrets SET seal = set_bit(original, bit, 1 - get_bit(original, bit)) WHERE key_id = id;
		code := '00000'; message := NULL; opened := NULL;
		BEGIN
			opened := falukeys.reveal_key(id);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT,
				detail = PG_EXCEPTION_DETAIL;
		END;
		INSERT INTO flipped VALUES (id, bit, code, concat_ws(' ', message, detail, hint), opened);
		UPDATE falukeys.sealed_secrets SET seal = original WHERE key_id = id;
	END LOOP;
END $$;
SQL
query($node, 'CREATE TABLE flipped (id text, bit integer, code text, messages text, opened text)');
foreach my $mode ('live', 'test')
{
	my $id = new_sealed($node, $workspace, $mode);

	foreach my $name (sort { $region{$a}[0] <=> $region{$b}[0] } keys %region)
	{
		my ($start, $length) = @{ $region{$name} };

		query($node, 'TRUNCATE flipped');
		query($node, sprintf($errors, $id, 8 * $start, 8 * ($start + $length) - 1));
		is( query($node, "SELECT count(*) || ' ' || count(opened) || ' ' || count(*) FILTER (WHERE code IN "
			. "('55000', 'XX001'))"
				  . " || ' ' || count(*) FILTER (WHERE messages ~ 'f[pst]k[tl]_[0-9A-Za-z]{20}' OR messages !~ '$id') "
					. "FROM flipped"),
			8 * $length . ' 0 ' . 8 * $length . ' 0',
			"$mode: no seal opens with a bit of its $name flipped; each error names the key and holds none")
		  or diag query($node, 'SELECT code, messages, count(*), min(bit) FROM flipped GROUP BY 1, 2');
	}
	is_code($node, query($node, "SELECT falukeys.reveal_key('$id')"), 'valid', "$mode: and none of it used it up");
}

# Adopting and rotating do not take in what was tampered with.

foreach my $name ('binding', 'ciphertext', 'tag', 'nonce')
{
	my $id = new_sealed($node, $workspace, 'live');
	my $bit = 8 * $region{$name}[0] + 3;

	query($node, "UPDATE falukeys.sealed_secrets SET seal = set_bit(seal, $bit, 1 - get_bit(seal, $bit)) "
		. "WHERE key_id = '$id'");
	foreach my $function ('adopt_sealed_secrets', 'rotate_master_key')
	{
		my ($sqlstate, $messages) = attempt($node, "SELECT falukeys.$function()");

		is($sqlstate, '00000', "$function() goes on beside a flipped bit of the $name") or diag $messages;
		like($messages, qr/WARNING:.*did not open/, "$function() warns")
			if $function eq 'rotate_master_key' || $name eq 'binding';
		refused($node, "SELECT falukeys.reveal_key('$id')", '55000',
			qr/does not open|another database|another master key/, 'it does not open after that either');
	}
	my ($sqlstate, undef, $key) = attempt($node, "SELECT key FROM falukeys.roll_key('$id')");
	like($key, $live_key, 'rolling the key gives another one');
	query($node, "DELETE FROM falukeys.sealed_secrets WHERE key_id = '$id' AND get_byte(seal, 1) = 1");
}

# A spent one set back

{
	my $id = new_sealed($node, $workspace, 'live');

	query($node, "SELECT falukeys.reveal_key('$id')");
	is(seal_of($id), '\x0102' . ('00' x 102), 'a spent seal is zeros');
	query($node, "UPDATE falukeys.sealed_secrets SET revealed_at = 'infinity', revealed_by = '', "
		. "first_saved_in = repeat(' ', 192) WHERE key_id = '$id'");
	refused($node, "SELECT falukeys.reveal_key('$id')", '55000', qr/has been revealed/,
		'without its time and role it is spent still');
	query($node, "UPDATE falukeys.sealed_secrets SET seal = set_byte(seal, 1, 1) WHERE key_id = '$id'");
	refused($node, "SELECT falukeys.reveal_key('$id')", '55000', qr/another database|another master key|does not open/,
		'set back to closed it does not open');

	# With all that is not secret from another seal
	my $waiting = new_sealed($node, $workspace, 'live');
	query($node, "UPDATE falukeys.sealed_secrets s SET seal = substr(o.seal, 1, 34) || substr(s.seal, 35) "
		. "FROM falukeys.sealed_secrets o WHERE s.key_id = '$id' AND o.key_id = '$waiting'");
	refused($node, "SELECT falukeys.reveal_key('$id')", '55000', $not_open, 'nor with the head of another seal');
}

# Rows that are not as they must be: an error, and the server goes on.

foreach my $change (
	"seal = substr(seal, 1, 103)", "seal = seal || '\\x00'", "seal = ''", "seal = repeat('x', 5000)::bytea",
	"first_saved_in = ''", "first_saved_in = repeat('x', 193)")
{
	my $id = new_sealed($node, $workspace, 'live');

	query($node, "UPDATE falukeys.sealed_secrets SET $change WHERE key_id = '$id'");
	refused($node, "SELECT falukeys.reveal_key('$id')", 'XX001', qr/damaged/, "$change: damaged");
	my ($sqlstate) = attempt($node, 'SELECT falukeys.rotate_master_key()');
	isnt($sqlstate, '08006', 'the server goes on');
	query($node, "DELETE FROM falukeys.sealed_secrets WHERE key_id = '$id'");
	my ($missing) = attempt($node, "SELECT falukeys.reveal_key('$id')");
	isnt($missing, '00000', 'a row that is gone is an error');
}

is(query($node, 'SELECT count(*) > 0 FROM falukeys.dashboard'), 't', 'the dashboard is shown after all that');
query($node, 'ALTER TABLE falukeys.sealed_secrets ENABLE TRIGGER USER');
refused($node, "UPDATE falukeys.sealed_secrets SET seal = seal", '55000', qr/sealed_secrets/,
	'with its triggers UPDATE is refused again');

$node->stop;
done_testing();
