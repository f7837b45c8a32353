# needs: chromium setpriv
# heavy: yes
# With its own sandbox, which is refused to root: namespaces, and a filter for what is left of calls.
printf '<html><body><p id="a">before</p><script>document.getElementById("a").textContent = [1, 2, 3].map(n => n * n).join()</script></body></html>' > page.html
user=; if [ "$(id -u)" = 0 ]; then chown -R 65534:65534 .; user='setpriv --reuid 65534 --regid 65534 --clear-groups'; fi
export HOME="$PWD" XDG_RUNTIME_DIR="$PWD"
$user chromium --headless --disable-gpu --no-first-run --disable-breakpad --user-data-dir="$PWD/profile" --dump-dom "file://$PWD/page.html" 2> log; echo $?
# Their names have the time in them.
rm -rf profile/Default/Sessions*
