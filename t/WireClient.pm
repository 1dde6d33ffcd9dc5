# A client of its own, that speaks the protocol over the socket of a server: it
# knows of each statement whether the server has acknowledged it, whatever
# becomes of the server meanwhile, and many of them cost next to nothing.
package WireClient;

use strict;
use warnings;

use Carp;
use IO::Socket::UNIX;

# Undef where the server cannot be reached, or refuses the connection.
sub new
{
	my ($class, $node, %startup) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or return undef;
	my $self = bless { socket => $socket, buffer => '' }, $class;
	my %all = (user => scalar(getpwuid($>)), database => 'postgres', %startup);
	my $body = pack('N', 196608) . join('', map { "$_\0$all{$_}\0" } sort keys %all) . "\0";

	local $SIG{PIPE} = 'IGNORE';
	syswrite($socket, pack('N', length($body) + 4) . $body);
	my $answer = $self->_answer;
	return $answer->{lost} || $answer->{error} ? undef : $self;
}

# Runs SQL, and answers {rows => [[...], ...]} of its last result; with error, an
# SQLSTATE, and message where it failed; with lost where the connection ended
# before the server had said that it was done.
sub query
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->_answer;
}

# As query, in two steps
sub send
{
	my ($self, $sql) = @_;

	local $SIG{PIPE} = 'IGNORE';
	syswrite($self->{socket}, 'Q' . pack('N', length($sql) + 5) . "$sql\0");
	return;
}

sub receive { return $_[0]->_answer; }

# The first column of the first row; dies for anything else.
sub value
{
	my ($self, $sql) = @_;
	my $answer = $self->query($sql);

	croak "failed: $sql: " . ($answer->{message} // 'the connection was lost') if $answer->{error} || $answer->{lost};
	return $answer->{rows}[0] ? $answer->{rows}[0][0] : undef;
}

sub pid { return $_[0]->{pid}; }

sub _read
{
	my ($self, $length) = @_;

	while (length($self->{buffer}) < $length)
	{
		sysread($self->{socket}, $self->{buffer}, 65536, length($self->{buffer})) or return undef;
	}
	return substr($self->{buffer}, 0, $length, '');
}

sub _row
{
	my ($body) = @_;
	my ($count) = unpack('n', $body);
	my $at = 2;
	my @row;

	foreach (1 .. $count)
	{
		my $length = unpack('l>', substr($body, $at, 4));

		push @row, $length < 0 ? undef : substr($body, $at + 4, $length);
		$at += 4 + ($length < 0 ? 0 : $length);
	}
	return \@row;
}

# Until the server is ready for more
sub _answer
{
	my ($self) = @_;
	my %answer = (rows => []);

	while (1)
	{
		my $head = $self->_read(5);
		return { %answer, lost => 1 } unless defined $head;
		my ($type, $length) = unpack('aN', $head);
		my $body = $self->_read($length - 4);
		return { %answer, lost => 1 } unless defined $body;

		return \%answer if $type eq 'Z';
		die 'the server wants a password' if $type eq 'R' && unpack('N', $body) != 0;
		$self->{pid} = unpack('N', $body) if $type eq 'K';
		$answer{rows} = [] if $type eq 'T';
		push @{ $answer{rows} }, _row($body) if $type eq 'D';
		if ($type eq 'E')
		{
			my %fields = map { (substr($_, 0, 1) => substr($_, 1)) } split(/\0/, $body);

			$answer{error} = $fields{C};
			$answer{message} = "$fields{C}: $fields{M}";
		}
	}
}

1;
