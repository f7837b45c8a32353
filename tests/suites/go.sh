# needs: go cc
# The tests of Go's standard library, linked with libc, so that the dynamic linker loads them and us.
export GOCACHE="$2/cache" GO111MODULE=off CGO_ENABLED=1
product=$2/$(echo "$3" | tr / _).test
case $1 in
build)
  go env GOROOT > "$2/root" || exit 77
  [ "$product" -nt "$(command -v go)" ] || go test -c -ldflags=-linkmode=external -o "$product" "$3" ;;
run)
  cd "$(cat "$2/root")/src/$3" || exit 1
  # shellcheck disable=SC2086 # several words
  exec "$product" -test.v $4 ;;
esac
