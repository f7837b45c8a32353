# needs: unshare
# Where namespaces may not be made, it says so, natively, too.
shared="$(unshare -p -f true 2>&1)" || shared="$(unshare -r -p -f true 2>&1)" || { echo "no namespaces: $shared"; exit 0; }
user=; unshare -p -f true 2> /dev/null || user=-r
unshare $user -p -f sh -c 'echo "pid $$"; (sh -c "exit 3"); echo "child: $?"; sleep 0.01 & wait $!; echo "waited: $?"'
echo "ended: $?"
unshare $user -p -f --kill-child sh -c 'for i in 1 2 3; do sh -c "exit $i"; echo "$i: $?"; done; echo "last: $(echo $(echo $$))"; kill -TERM $$; echo "a first process is not ended by its own signal"; exit 4'
echo "ended: $?"
unshare $user -p -m -f --mount-proc sh -c 'set -- /proc/[0-9]*; echo $#; tr "\0" " " < /proc/1/cmdline | cut -c 1-5; sh -c "kill -KILL \$\$" ; echo "killed: $?"'
echo "ended: $?"
unshare $user -p -f sh -c 'sleep 100 & sleep 100 & exit 7'; echo "ended: $?"
unshare $user -f -n -u -i sh -c 'hostname other; hostname; ip link 2> /dev/null | grep -c mtu || cat /proc/net/dev | grep -c lo:'
unshare -r sh -c 'id -u; cat /proc/self/uid_map | tr -s " "'
