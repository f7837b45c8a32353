# needs: vim
printf 'one\ntwo\nthree\n' > text
vim -es -u NONE -c '%s/o/0/g' -c 'normal Gofour' -c '%print' -c '!echo from a shell' -c 'wq' text; echo $?
cat text
