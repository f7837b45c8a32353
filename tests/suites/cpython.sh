# needs: python3
# CPython's own tests, as Debian packs them (libpython3.11-testsuite), by their own runner and its report.
case $1 in
build)
  for module in $3; do python3 -c "import test.$module" || exit 77; done ;;
run)
  # shellcheck disable=SC2086 # several words
  exec python3 -m test --junit-xml "$REPORT" $4 $3 ;;
esac
