# doc/reference.md has every function, view, table, type and setting of the
# extension, with the arguments and results that they have.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use DocumentTest;
use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $reference = slurp_file("$FindBin::Bin/../doc/reference.md");
my $node = new_server('reference', conf => "shared_preload_libraries = 'falukeys'\n");

# Types by their names, without the schema, and each space once
sub plain
{
	my ($text) = @_;

	$text =~ s/falukeys\.//g;
	$text =~ s/timestamp with time zone/timestamptz/g;
	$text =~ s/::[a-z_.]+(?:\[\])?//g;
	$text =~ s/'00:00:00'/'0'/g;
	$text =~ s/'01:00:00'/'1 hour'/g;
	$text =~ s/\s+/ /g;
	$text =~ s/ (?=[,)])|(?<=\() //g;
	return $text;
}

# What the reference says of functions: name(arguments) → result, in headings,
# and in blocks where a heading would be too long
my %said;
foreach my $signature (($reference =~ /^### `(\w+\(.*?)`$/mg),
	map { $_->{text} } grep { $_->{language} eq 'signature' } document_blocks($reference))
{
	my ($name, $arguments, $result) = plain($signature) =~ /^(\w+)\((.*?)\)(?: → (.+?))? ?$/
		or fail("a signature: $signature");
	$said{$name} = "$name($arguments) → " . ($result || ($arguments =~ /OUT / ? 'record' : 'void'));
}

my %there;
foreach my $line (split(/\n/, query($node, <<'SQL')))
SELECT proname || '(' || pg_get_function_arguments(p.oid) || ') → ' || pg_get_function_result(p.oid)
FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'falukeys'
WHERE pronamespace = 'falukeys'::regnamespace ORDER BY 1
SQL
{
	my ($name) = $line =~ /^(\w+)/;
	$there{$name} = plain($line);
}
is($said{$_} // 'nothing', $there{$_}, "the reference has $_") foreach sort keys %there;
ok(exists $there{$_}, "$_ of the reference is there") foreach sort keys %said;

# Relations and types, by a heading or a row of their own
foreach my $name (split(/\n/, query($node, <<'SQL')))
SELECT relname FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace AND relkind IN ('r', 'v')
SQL
{
	ok($reference =~ /^###? (?:View )?`$name`$/m, "the reference has $name");
}
foreach my $name (split(/\n/, query($node, <<'SQL')))
SELECT typname FROM pg_type WHERE typnamespace = 'falukeys'::regnamespace AND typtype IN ('e', 'b', 'c')
	AND typname !~ '^_' AND NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind <> 'c')
SQL
{
	ok($reference =~ /^\| `$name` \||^## The type $name$/m, "the reference has the type $name");
}
foreach my $label (split(/\n/, query($node, <<'SQL')))
SELECT enumlabel FROM pg_enum JOIN pg_type AS t ON t.oid = enumtypid WHERE typnamespace = 'falukeys'::regnamespace
SQL
{
	ok($reference =~ /`$label`/, "the reference has the label $label");
}

# Columns: each in the section of its relation
foreach my $line (split(/\n/, query($node, <<'SQL')))
SELECT relname || ' ' || string_agg(attname, ' ' ORDER BY attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = 'falukeys'::regnamespace AND relkind IN ('r', 'v') GROUP BY relname
SQL
{
	my ($name, @columns) = split(/ /, $line);
	my ($section) = $reference =~ /^(###? (?:View )?`$name`$.*?)(?=^###? |\z)/ms;
	my @missing = $section && $section !~ /all its columns/ ? grep { $section !~ /`$_`/ } @columns : ();

	is("@missing", '', "the reference has every column of $name");
}

# Settings and their defaults
foreach my $name (split(/\n/, query($node, "SELECT name FROM pg_settings WHERE name LIKE 'falukeys.%'")))
{
	ok($reference =~ /^\| `\Q$name\E` \|/m, "the reference has the setting $name");
}

# Events: each that the source records
my %events;
foreach my $file (glob("$FindBin::Bin/../src/*.[ch]"))
{
	$events{$_} = 1 foreach slurp_file($file)
		=~ /"((?:workspace|member|key|permission|access|master_key|secrets|keys|format)\.[a-z_]{3,})"/g;
}
cmp_ok(scalar(keys %events), '>=', 15, 'the source records events');
ok($reference =~ /`\Q$_\E`/, "the reference has the event $_") foreach sort keys %events;

$node->stop;
done_testing();
