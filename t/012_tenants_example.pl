# The example of doc/tenants.md does what its comments say.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($example, @others) = slurp_file("$FindBin::Bin/../doc/tenants.md") =~ /^```sql\n(.*?)^```/msg;
ok(defined $example, 'there is an example');
is(scalar(@others), 0, 'and one only');
cmp_ok(scalar(my @lines = split(/\n/, $example)), '<', 30, 'of under thirty lines');

my $node = new_server('tenants', empty => 1);
my ($sqlstate, $messages, $output) = attempt($node, $example);
is($sqlstate, '00000', 'it runs without an error') or diag $messages;
unlike($output, qr/(?:key|wksp)_[0-9A-Za-z]{27}|f[pst]k[tl]_/, 'and shows no id and no key');

# What is shown, without the rows of functions that return nothing
my @shown = grep { $_ ne '' } split(/\n/, $output);
is_deeply(\@shown, [ 't', 'test|Hello from Acme', 't', '0', 't', 'Hello from Acme', '0' ],
	'each workspace sees its own rows, who may only read deletes none, and no one sees none');
is(query($node, 'SELECT count(*) FROM messages'), '1', 'the row is there');
is(query($node, "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = 'messages'"), 't',
	'row security is forced');
$node->stop;
done_testing();
