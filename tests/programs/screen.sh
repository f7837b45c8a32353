# needs: screen
export SCREENDIR="$PWD/screens" TERM=vt100 SHELL=/bin/sh
mkdir -m 700 screens
screen -c /dev/null -d -m -S name sh -c 'echo inside; echo done > ended; cat'
for i in $(seq 100); do [ -s ended ] && break; sleep 0.05; done
for i in $(seq 100); do screen -S name -X hardcopy "$PWD/copy" && grep -q inside copy 2> /dev/null && break; sleep 0.1; done
grep -c inside copy; screen -S name -X stuff 'typed\n'; sleep 0.3; screen -S name -X hardcopy "$PWD/copy"; sleep 0.2; grep -c typed copy
screen -ls | grep -c name; screen -S name -X quit; sleep 0.2; screen -ls | grep -c '\.name'; true
