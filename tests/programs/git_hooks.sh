# needs: git
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_PAGER=cat
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
git init -q -b main one && cd one
git config user.name name && git config user.email name@example.org
mkdir -p .git/hooks
hook() { cat > ".git/hooks/$1"; chmod +x ".git/hooks/$1"; }
hook pre-commit <<'HOOK'
#!/bin/sh
echo "pre-commit: $(git diff --cached --name-only | tr '\n' ' ')"
! git diff --cached | grep -q forbidden
HOOK
hook prepare-commit-msg <<'HOOK'
#!/bin/sh
echo "prepared" >> "$1"
HOOK
hook commit-msg <<'HOOK'
#!/bin/sh
sed -i s/word/WORD/ "$1"
HOOK
hook post-commit <<'HOOK'
#!/bin/sh
echo "post-commit: $(git log -1 --format='%s | %b')"
cd "$(git rev-parse --git-dir)" && echo begun >> begun
(sleep 0.05; echo later >> later) > /dev/null 2>&1 &
HOOK
echo 1 > file && git add file && git commit -qm 'a word'; echo $?
echo forbidden > file && git add file && git commit -qm 'not this'; echo $?
git reset -q --hard && git log --format='%H %s %b'
hook post-checkout <<'HOOK'
#!/bin/sh
echo "post-checkout $3"
HOOK
git checkout -q -b side && echo 2 > other && git add other && git commit -qm 'other'
git -c alias.two='!echo alias; git log --oneline | wc -l' two
git -c core.editor="sh -c 'echo edited > \"\$1\"' sh" commit --amend -q; git log -1 --format=%s
git config filter.upper.clean 'tr a-z A-Z' && git config filter.upper.smudge 'tr A-Z a-z'
echo '*.up filter=upper' > .gitattributes && echo text > a.up && git add . && git show :a.up && git commit -qm up
git rebase -q --exec 'echo in rebase' main 2> /dev/null; echo $?
for i in $(seq 1000); do [ "$(wc -l < .git/later)" = "$(wc -l < .git/begun)" ] && break; sleep 0.05; done; uniq .git/later
