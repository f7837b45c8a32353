# needs: cargo cc
# The tests that crates bring along: `$3` is name, version, options for Cargo. Cargo fetches and builds them.
# shellcheck disable=SC2086 # several words
set -- "$1" "$2" $3
mode=$1 built=$2 name=$3 version=$4
shift 4
case $mode in
build)
  mkdir -p "$built/$name/src"
  cd "$built/$name" || exit 1
  [ -s list ] && grep -qx "# $version $*" list && exit
  export CARGO_TARGET_DIR="$built/target"
  touch src/lib.rs
  printf '[package]\nname = "vendors-%s"\nedition = "2021"\n[dependencies]\n%s = "=%s"\n[workspace]\n' \
    "$name" "$name" "$version" > Cargo.toml
  cargo vendor --quiet vendor > /dev/null || exit 77
  cd "vendor/$name" || exit 1
  # Else Cargo looks for a workspace in the directories above.
  grep -q '^\[workspace\]' Cargo.toml || printf '\n[workspace]\n' >> Cargo.toml
  cargo test --no-run "$@" 2> ../../log || { cat ../../log; exit 1; }
  { echo "# $version $*"; sed -n 's/^ *Executable .*(\(.*\))$/\1/p' ../../log; } > ../../list ;;
run)
  cd "$built/$name/vendor/$name" || exit 1
  grep -v '^#' ../../list | while read -r test; do
    echo "# of $(basename "$test" | sed 's/-[0-9a-f]*$//')"
    # With several threads a line says a name and a result at once.
    "$test" --test-threads=2
  done ;;
esac
