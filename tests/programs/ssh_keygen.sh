# needs: ssh-keygen
for type in ed25519 ecdsa; do ssh-keygen -q -t $type -N '' -C comment -f key.$type < /dev/null; echo $?; done
ssh-keygen -l -f key.ed25519.pub | sed 's/SHA256:[^ ]*/HASH/'
ssh-keygen -q -s key.ecdsa -I name -n user -V always:forever key.ed25519.pub 2> /dev/null; ssh-keygen -L -f key.ed25519-cert.pub | grep -E 'Type|Valid|Key ID'
echo text > file; ssh-keygen -q -Y sign -f key.ed25519 -n file file 2> /dev/null; echo "name $(cat key.ed25519.pub)" > allowed
ssh-keygen -Y verify -f allowed -I name -n file -s file.sig < file | sed 's/SHA256:[^ ]*/HASH/'
ssh-keygen -y -f /nonexistent 2>&1; echo $?
