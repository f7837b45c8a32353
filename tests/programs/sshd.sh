# needs: ssh scp /usr/sbin/sshd
# heavy: yes
# A server that gives its rights up, and confines what talks to a client first.
[ "$(id -u)" = 0 ] && mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f client; ssh-keygen -q -t ed25519 -N '' -f host
cp client.pub keys; chmod 600 keys
cat > config <<EOF
Host *
    HostName localhost
    User $(id -un)
    IdentityFile $PWD/client
    ProxyCommand /usr/sbin/sshd -i -h $PWD/host -f /dev/null -o AuthorizedKeysFile=$PWD/keys -o StrictModes=no -o UsePAM=no -o "Subsystem sftp internal-sftp"
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
EOF
echo input | ssh -F config there 'echo remote; cat; exit 3'; echo $?
ssh -F config -tt there 'tty | cut -c 1-9; exit 2' < /dev/null; echo $?
head -c 3000000 /dev/zero > sent; scp -q -F config sent there:"$PWD/received"; cmp sent received && echo same
