# Runs the code blocks of a document, in order, in one psql session, and says
# what was not as the document has it.
#
#   ```sql        run by psql in a database "platform"; a comment "--> a, b"
#                 says that the block shows these cells or lines, in this
#                 order; "--> error 42501" and "--> warning" that it raises one.
#                 What follows a semicolon is for the reader
#   ```text       is part of what the block before it shows; ids, keys and
#                 times may differ
#   ```conf       is put into postgresql.conf, and the server restarted
#   ```sh, js, python   run with the session's environment (\setenv); "#> a" or
#                 "//> a" as above
#   ```log        messages that the server may log: the source has them
#   ```signature  a function's arguments, which 031_reference.pl compares
#
# <!-- run sql (or sh, ...), the block, and --> is a block that is run and not
# shown. A block of any other language is an error.
package DocumentTest;

use strict;
use warnings;

use Exporter 'import';
use File::Path qw(make_path);
use FindBin;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(document_blocks document_problems);

my %suffix = (sql => 'sql', sh => 'sh', conf => 'conf', js => 'mjs', python => 'py');
my %is_checked_otherwise = map { $_ => 1 } qw(text log signature);

# Its code blocks: language, line and text of each
sub document_blocks
{
	my ($document) = @_;
	my (@blocks, $block, $indent, $end);
	my $number = 0;

	foreach my $line (split(/\n/, $document))
	{
		$number++;
		if ($block)
		{
			if ($line =~ $end)
			{
				push @blocks, $block;
				$block = undef;
				next;
			}
			$line =~ s/^\s{0,$indent}//;
			$block->{text} .= "$line\n";
		}
		elsif ($line =~ /^(\s*)```(.*?)\s*$/)
		{
			$block = { language => $2, line => $number, text => '' };
			($indent, $end) = (length($1), qr/^\s*```\s*$/);
		}
		elsif ($line =~ /^<!-- run (\w+)/)
		{
			$block = { language => $1, line => $number, text => '', hidden => 1 };
			($indent, $end) = (0, qr/^-->$/);
		}
		elsif ($line =~ /^(?: {4}|\t|\s*~~~|\s*<pre)/)
		{
			push @blocks, { language => 'code that is not fenced by ```', line => $number, text => '' };
		}
	}
	push @blocks, { %$block, language => 'a block without an end' } if $block;
	return @blocks;
}

# What a block says that it shows
sub _claims
{
	my ($block) = @_;
	my $mark = { sql => '--', js => '//' }->{ $block->{language} } || '#';
	my @claims;

	foreach my $claim ($block->{text} =~ /\Q$mark\E> (.+)$/mg)
	{
		$claim =~ s/;.*//;
		push @claims, $claim =~ /^\s*error /i ? $claim : split(/, /, $claim);
	}
	s/^\s+|\s+$//g foreach @claims;
	return @claims;
}

# What psql showed, one after the other: lines, cells of tables, and behind a "!" errors and warnings
sub _shown
{
	my ($output) = @_;
	my ($in_rows, @shown) = (0);

	foreach my $line (split(/\n/, $output))
	{
		my ($message) = $line =~ /^psql:\S+:\d+: +(.*)/;

		if (defined $message)
		{
			$in_rows = 0;
			if ($message =~ /^(?:ERROR|FATAL|PANIC): +(\w{5}):/) { push @shown, "!error $1"; }
			elsif ($message =~ /^WARNING:/) { push @shown, '!warning'; }
			elsif ($message !~ /^(?:NOTICE|INFO):/) { push @shown, "!error in psql: $message"; }
		}
		elsif ($line =~ /^-+(?:\+-+)*$/) { $in_rows = 1; }
		elsif ($line =~ /^\(\d+ rows?\)$/) { $in_rows = 0; }
		elsif ($in_rows) { push @shown, map { s/^\s+|\s+$//gr } split(/\|/, $line, -1); }
		else { push @shown, $line; }
	}
	return @shown;
}

# The claims that were not met, and what should have been claimed
sub _unmet
{
	my ($block, @shown) = @_;
	my @problems;

	foreach my $claim (_claims($block))
	{
		my $at = 0;

		$at++ while $at < @shown && $shown[$at] ne $claim && $shown[$at] !~ /^!/;
		if ($at < @shown && $shown[$at] =~ /^!?\Q$claim\E$/) { splice(@shown, 0, $at + 1); }
		else { push @problems, "no \"$claim\" here"; }
	}
	return (@problems, map { "$_, of which nothing is said" } map { /^!(.*)/ } @shown);
}

# As a reader would see it, without what differs each time
sub _comparable
{
	my ($text) = @_;

	$text =~ s/^psql:\S+:\d+: +//mg;
	$text =~ s/^(ERROR|NOTICE|WARNING|INFO): +\w{5}: +/$1:  /mg;
	$text =~ s/^LOCATION: .*\n//mg;
	$text =~ s/\b(wksp|key)_[0-9A-Za-z]{27}\b/$1_ID/g;
	$text =~ s/\b(f[pst]k[tl])_(?:\*{4}[0-9A-Za-z]{4}|[0-9A-Za-z]{49})\b/$1_KEY/g;
	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*(?:[+-][\d:]+| \w+)?/TIME/g;
	$text =~ s/-{2,}/--/g;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/ ?\n ?/\n/g;
	return $text;
}

# Every string literal of the source, as a pattern for what it prints
my @literals;

sub _is_in_source
{
	my ($message) = @_;

	unless (@literals)
	{
		foreach my $file (glob("$FindBin::Bin/../src/*.c"))
		{
			my $source = slurp_file($file);

			$source =~ s/"\s*\n\s*"//g;
			while ($source =~ /"((?:[^"\\\n]|\\.)+)"/g)
			{
				my $pattern = quotemeta($1 =~ s/\\"/"/gr);

				$pattern =~ s/\\%(?:[a-z]+|l?l?[du]|\w+(?:\\%)?)/.+/g;
				push @literals, $pattern if length($pattern) > 12;
			}
		}
	}
	return grep { $message =~ /^$_$/ } @literals;
}

sub _check_log
{
	my ($block) = @_;

	return map { "no message of the source: $_" } grep { !_is_in_source($_) }
	  map { s/^[A-Z]+: +//r } grep { /\S/ } split(/\n/, $block->{text});
}

# One script for psql, with a mark before what each block shows
sub _script
{
	my ($directory, $programs, @blocks) = @_;
	my $script = "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT never\n";

	foreach my $number (0 .. $#blocks)
	{
		my ($language, $text) = @{ $blocks[$number] }{qw(language text)};
		my $name = "block_$number";

		next unless $suffix{$language};
		append_to_file("$directory/$name.$suffix{$language}", $text);
		$script .= "\\r\n\\warn == $number\n";
		my $command = $language eq 'sql' ? undef : $programs->{$language}->($blocks[$number]);
		$script .= $language eq 'sql' ? $text
			: "\\! $command $name.$suffix{$language} > $name.out 2>&1; echo \$? > $name.status\n";
		$script .= "\\c -\n" if $language eq 'conf';
	}
	return $script . "\\r\n\\warn == the end\n";
}

# document_problems NODE BLOCKS PROGRAMS DIRECTORY: runs a document's blocks on a
# server of its own, in a new database "platform" that the extension is not yet
# in. PROGRAMS has a function for each language: of a block, what runs it.
# A block that is marked as parsed is not held to what it says that it shows.
sub document_problems
{
	my ($node, $blocks, $programs, $directory) = @_;
	my @blocks = @$blocks;
	my ($output, $number, $last, %psql, @problems) = ('', '', '');

	append_to_file("$directory/script", _script($directory, $programs, @blocks));
	$node->safe_psql('postgres', 'CREATE DATABASE platform TEMPLATE template0');
	{
		local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'platform',
			PGDATA => $node->data_dir);
		my $run = IPC::Run::run([ 'sh', '-c', 'cd "$0" && psql -X -f script 2>&1', $directory ], '<',
			\undef, '>', \$output);
	}
	foreach my $line (split(/\n/, $output))
	{
		if ($line =~ /^(?:psql:\S+: +)?== (.+)/) { $number = $1; }
		elsif ($line !~ /^Query buffer reset/) { $psql{$number} = ($psql{$number} || '') . "$line\n"; }
	}
	push @problems, "psql did not come to the end:\n$output" if $number ne 'the end';

	foreach my $number (0 .. $#blocks)
	{
		my $block = $blocks[$number];
		my $language = $block->{language};
		my @found;

		if ($language eq 'sql')
		{
			$last = $psql{$number} || '';
			@found = _unmet($block, _shown($last));
			push @found, 'it does not end with a statement'
				unless ($block->{text} =~ s/--.*$//mgr) =~ /(?:;|\\[a-z].*)\s*\z/;
		}
		elsif ($suffix{$language})
		{
			$last = -e "$directory/block_$number.out" ? slurp_file("$directory/block_$number.out") : '';
			@found = _unmet($block, grep { !/^error/ } split(/\n/, $last)) unless $block->{parsed};
			my $status = -e "$directory/block_$number.status" ? slurp_file("$directory/block_$number.status")
				: 'it was not run';
			push @found, "it failed: $status" if $status !~ /^0$/m;
		}
		elsif ($language eq 'text')
		{
			@found = 'not what was shown' if index(_comparable("\n$last"), _comparable("\n$block->{text}")) < 0;
		}
		elsif ($language eq 'log') { @found = _check_log($block); }
		elsif (!$is_checked_otherwise{$language}) { @found = "unknown language \"$language\""; }
		push @problems, "line $block->{line}, $language: " . join('; ', @found) . "\n$last" if @found;
	}
	return @problems;
}

1;
