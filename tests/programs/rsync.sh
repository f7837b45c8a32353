# needs: rsync
printf '#!/bin/sh\nshift; exec "$@"\n' > shell; chmod +x shell
mkdir source && cp /usr/include/linux/t*.h source && touch -d @0 source/*
rsync -a --itemize-changes source/ copy/ | wc -l; diff -r source copy && echo same
echo more >> source/time.h; touch -d @1 source/time.h; rsync -a --itemize-changes source/ copy/; rsync -a --delete --itemize-changes --exclude time.h source/ copy/ | wc -l
rsync -a -e ./shell source/ localhost:"$PWD/remote" && diff -r source remote && echo same over a pipe
rm source/tty.h; rsync -a --delete -v source/ copy/ | grep deleting; rsync /nonexistent . 2> /dev/null; echo $?
