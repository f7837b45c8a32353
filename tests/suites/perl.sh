# needs: perl tar xz
# Perl's own tests, of Debian's source package, which `cargo xtask test suites` fetches; by the perl that is installed.
case $1 in
build)
  [ -e "$2/t/perl" ] && exit
  archive=$(echo "$2"/perl_*.orig.tar.xz)
  [ -e "$archive" ] || { echo "the source of perl: cargo xtask test suites"; exit 77; }
  tar -xf "$archive" -C "$2" --strip-components=1 --wildcards '*/t/*' || exit 1
  mkdir -p "$2/lib"
  # Tests look for libraries beside themselves.
  perl -e 'print "$_\n" for @INC' | while read -r directory; do
    [ -d "$directory" ] && cp -rsn "$directory/." "$2/lib"
  done 2>/dev/null
  ln -s "$(command -v perl)" "$2/t/perl" ;;
run)
  cp -r "$2/t" "$2/lib" . && cd t || exit 1
  for test in ${4:-$3}; do
    # More than one directory has a test of a name.
    echo "# of $test"
    timeout -s KILL 120 ./perl "$test" 2>&1
    echo
  done ;;
esac
