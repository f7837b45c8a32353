# needs: firefox-esr
# heavy: yes
# A server of forks, a filter for the threads of each process, and libraries loaded while they run.
export HOME="$PWD" MOZ_CRASHREPORTER_DISABLE=1; mkdir profile
firefox-esr --headless --no-remote --profile "$PWD/profile" --screenshot "$PWD/page.png" 'data:text/html,<h1>hi</h1><script>document.body.append(1 + 2)</script>' > log 2>&1; echo $?
head -c 8 page.png | od -c; grep -c 'exited on signal' log; rm -rf profile log page.png .cache .config .mozilla Downloads
