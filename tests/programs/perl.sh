# needs: perl
exec perl -e '
use threads;
my @t = map { threads->create(sub { my $s = 0; $s += $_ for 1..1000; $s }) } 1..8;
print $_->join, "\n" for @t;
print `echo sub`;
$SIG{ALRM} = sub { print "alarm\n" }; alarm 1; sleep 2;
$SIG{CHLD} = sub { print "child\n" }; my $p = fork; exit 4 if !$p; waitpid $p, 0; print $? >> 8, "\n";
open my $f, "<", "/nonexistent" or print "$!\n";'
