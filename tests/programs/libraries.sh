# needs: perl
# Loads each shared library of the system, in a process of its own; but for those that replace malloc, which are to come
# first.
exec perl -MDynaLoader -MPOSIX=_exit -e '
$| = 1; my ($all, %ends) = (0);
for my $library (sort </usr/lib/x86_64-linux-gnu/*.so*>) {
    next if -l $library || $library =~ /malloc/; $all++; my $child = fork;
    if (!$child) { open STDOUT, ">", "/dev/null"; open STDERR, ">&STDOUT"; alarm 100; _exit(DynaLoader::dl_load_file($library, 0) ? 0 : 1) }
    waitpid $child, 0; print "$library $?\n";
}
print $all > 50 ? "many\n" : "only $all\n";'
