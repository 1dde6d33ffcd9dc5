# Statements of the extended protocol: the WARNING that an identity ends with its
# statement comes where it does, and not in a pipeline, whose statements share it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('pipeline');
my $workspace = new_workspace($node, 'Pipeline');
my $key = query($node, "SELECT key FROM falukeys.create_key('$workspace', 'secret', 'test')");
my $warning = qr/WARNING:  the key's identity ends with the statement/;
my $scripts = PostgreSQL::Test::Utils::tempdir();

# What pgbench prints of one transaction
sub print_of
{
	my ($mode, $script) = @_;
	open(my $file, '>', "$scripts/script") or die $!;
	print $file $script;
	close($file);
	local %ENV = (%ENV, $node->_get_env());
	my ($out, $err) = run_command([ 'pgbench', '-n', '-t', '1', '-M', $mode, '-f', "$scripts/script", '-D',
		"key=$key", 'postgres' ]);
	like($out, qr/number of transactions actually processed: 1\/1/, "$mode: it runs") or diag($err);
	return $err;
}

my $use = "SELECT 1 / (falukeys.current_key_kind() = 'secret')::integer;\n";
foreach my $mode (qw(simple extended prepared))
{
	my $take = "SELECT code FROM falukeys.authenticate(" . ($mode eq 'simple' ? "'$key'" : ':key') . ");\n";

	like(print_of($mode, $take), $warning, "$mode: alone");
	unlike(print_of($mode, "BEGIN;\n$take${use}COMMIT;\n"), $warning, "$mode: in a block");
	unlike(print_of($mode, "DO 'BEGIN PERFORM falukeys.authenticate(''$key''); END';\n"), $warning,
		"$mode: in a function");
	next if $mode eq 'simple';
	unlike(print_of($mode, "\\startpipeline\n$take$use$use\\endpipeline\n"), $warning, "$mode: first in a pipeline");
	unlike(print_of($mode, "\\startpipeline\nSELECT 1;\n$take\\endpipeline\n"), $warning, "$mode: last in a pipeline");
}

done_testing();
