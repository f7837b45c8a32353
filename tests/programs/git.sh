# needs: git
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
git init -q -b main one && cd one
git config user.name name && git config user.email name@example.org
for i in 1 2 3; do echo $i > file$i; git add file$i; git commit -qm "commit $i"; done
git log --stat --format='%H %s'
git fsck --no-progress
git repack -adq
cd .. && git clone -q "file://$PWD/one" two && git -C two log --oneline && git -C two status
git -C one diff HEAD~2 HEAD
