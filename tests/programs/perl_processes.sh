# needs: perl
exec perl -e '
use IPC::Open3; use POSIX qw(:sys_wait_h sigprocmask SIG_BLOCK SIG_SETMASK SIGUSR1); use Time::HiRes qw(usleep setitimer ITIMER_REAL); use IO::Select; use Fcntl qw(:flock);
$| = 1; my $ticks = 0;
$SIG{ALRM} = sub { $ticks++ }; setitimer(ITIMER_REAL, 0.01, 0.01); while ($ticks < 5) { usleep 100000 } setitimer(ITIMER_REAL, 0); print "ticked\n";
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; my $x = <STDIN> while 1; }; print $@ if $@ eq "alarm\n"; print "after\n";
my $pid = open3(my $in, my $out, undef, "sort", "-n"); print $in join("\n", reverse 1 .. 5), "\n"; close $in; print map { chomp; "$_ " } <$out>; waitpid $pid, 0; print $? >> 8, "\n";
my %children; $SIG{CHLD} = sub { while ((my $gone = waitpid -1, WNOHANG) > 0) { $children{$gone} = $? >> 8 } };
my @pids = map { my $n = $_; my $child = fork; exit $n if !$child; $child } 1 .. 20; usleep 10000 while keys %children < 20; print join(",", map { $children{$_} } @pids), "\n";
$SIG{CHLD} = "DEFAULT"; my $set = POSIX::SigSet->new(SIGUSR1); my $old = POSIX::SigSet->new; $SIG{USR1} = sub { print "usr1\n" };
sigprocmask(SIG_BLOCK, $set, $old); kill "USR1", $$; print "blocked\n"; sigprocmask(SIG_SETMASK, $old);
open my $lock, ">", "lock"; flock $lock, LOCK_EX; if (!fork) { open my $own, ">", "lock"; print flock($own, LOCK_EX | LOCK_NB) ? "free\n" : "locked\n"; exit 0 } wait;
exec "sh", "-c", "exit 9"' < /dev/null
