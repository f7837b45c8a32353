# needs: screen
export SCREENDIR="$PWD/screens" TERM=vt100 SHELL=/bin/sh
mkdir -m 700 screens
screen -c /dev/null -d -m -S name sh -c 'echo inside; echo done > ended; cat'
for i in $(seq 1000); do [ -s ended ] && break; sleep 0.05; done
for i in $(seq 1000); do screen -S name -X hardcopy "$PWD/copy" && grep -q inside copy 2> /dev/null && break; sleep 0.1; done
grep -c inside copy; screen -S name -X stuff 'typed\n'
# Once as it is typed, once as cat has read it.
for i in $(seq 1000); do screen -S name -X hardcopy "$PWD/copy" && [ "$(grep -c typed copy)" = 2 ] && break; sleep 0.1; done; grep -c typed copy
screen -ls | grep -c name; screen -S name -X quit
for i in $(seq 1000); do screen -ls | grep -q '\.name' || break; sleep 0.1; done; screen -ls | grep -c '\.name'; true
