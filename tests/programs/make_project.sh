# needs: make cc ar
mkdir src && for i in 1 2 3 4 5 6; do echo "int f$i(int n) { return n * $i; }" > src/f$i.c; done
cat > src/main.c <<'C'
#include <stdio.h>
int f1(int), f2(int), f3(int), f4(int), f5(int), f6(int);
int main(void) { printf("%d\n", f1(1) + f2(1) + f3(1) + f4(1) + f5(1) + f6(1)); return 3; }
C
cat > Makefile <<'MAKE'
objects := $(patsubst src/%.c,%.o,$(sort $(wildcard src/f*.c)))
main: main.o libf.a
	$(CC) -o $@ $^
libf.a: $(objects)
	$(AR) rcs $@ $^
%.o: src/%.c
	$(CC) -O2 -c -o $@ $<
lto: $(wildcard src/*.c)
	$(CC) -O2 -flto=2 -ffat-lto-objects -o $@ $^
sub:
	+$(MAKE) --no-print-directory -s show
show:
	@echo $(shell echo from a shell) $(MAKELEVEL)
MAKE
make -s -j2 && ./main; echo $?
make -s -j2 lto && ./lto; echo $?
make -s sub; touch -d @0 src/*.c; make -q main; echo $?; echo 'int f(' > src/f6.c; touch -d '+1 minute' src/f6.c; make -s -j2 -k 2> /dev/null; echo $?
