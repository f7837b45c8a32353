# needs: dbus-run-session dbus-send
export XDG_DATA_DIRS="$PWD/none" HOME="$PWD"
dbus-run-session -- sh -c '
call() { dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.$@ 2>&1 | tail -n +2; }
call NameHasOwner string:org.freedesktop.DBus
call GetNameOwner string:org.none 2>&1
: > heard
dbus-monitor --session "type=signal,interface=test.name" > heard 2>&1 & monitor=$!
for i in $(seq 400); do dbus-send --session --type=signal / test.name.Signal string:text; grep -q text heard && break; sleep 0.1; done
kill $monitor; wait $monitor; grep -o -m 1 "string \"text\"" heard
exit 4' 2> log; echo $?
