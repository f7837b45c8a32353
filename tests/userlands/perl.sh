# The interpreter of the root: handlers, children, sockets, a long alarm cut short.
exec perl -e '
use Socket;
$| = 1;
$SIG{ALRM} = sub { die "alarm\n" }; alarm 1; eval { sleep 100 }; print $@;
$SIG{CHLD} = sub { print "child\n" }; my $p = fork; exit 4 if !$p; waitpid $p, 0; print $? >> 8, "\n";
$SIG{CHLD} = "DEFAULT";
print `echo sub; exit 3`, $? >> 8, "\n";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die $!;
if (!fork) { syswrite $b, "from the child\n"; exit 0 } sysread $a, my $line, 100; print $line; wait;
for my $n (1 .. 30) { my $pid = fork; if (!$pid) { exec "true" or die } waitpid $pid, 0; die if $? }
print "thirty\n";
kill "USR1", $$ if $SIG{USR1} = sub { print "usr1\n" };
open my $f, "<", "/nonexistent" or print "$!\n";
system "kill -9 \$\$"; print $? & 127, "\n";'
