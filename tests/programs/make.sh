# needs: make
printf 'all: a b c\n\t@cat a b c\na b c:\n\t@sleep 0.05; echo $@ > $@\nfail:\n\tfalse\n' > Makefile
make -s -j2
make -s fail; echo $?
