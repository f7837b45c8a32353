// flags: -lm
// expect: MMX registers are the x87 stack under another name, and FTW, FOP and the last instruction pointer come
// with it; an interceptor that uses fxsave with the wrong format, emms or a floating-point instruction destroys a
// live MMX state or an unfinished long double computation. Eight MMX registers keep their pattern over calls, a
// computation with seven live stack values continues after them, an unmasked pending exception is neither raised
// early nor lost, and rounding and precision of both units stay as set.
// musl: yes
#include "guest.h"
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf back;
static void on_fpe(int sig) { siglongjmp(back, sig); }

int main(void) {
    uint64_t in[8], out[8];
    for (int i = 0; i < 8; i++)
        in[i] = 0x0123456789abcdefull * (unsigned)(i + 1);
    static const long kinds[] = {SYS_getpid, SYS_close, 1000, SYS_sched_yield};
    for (int round = 0; round < 100; round++) {
        long ret = kinds[round % 4], close_arg = -1;
        __asm__ volatile("movq 0(%2), %%mm0; movq 8(%2), %%mm1; movq 16(%2), %%mm2; movq 24(%2), %%mm3\n\t"
                         "movq 32(%2), %%mm4; movq 40(%2), %%mm5; movq 48(%2), %%mm6; movq 56(%2), %%mm7\n\t"
                         "syscall\n\t"
                         "movq %%mm0, 0(%3); movq %%mm1, 8(%3); movq %%mm2, 16(%3); movq %%mm3, 24(%3)\n\t"
                         "movq %%mm4, 32(%3); movq %%mm5, 40(%3); movq %%mm6, 48(%3); movq %%mm7, 56(%3)\n\t"
                         "emms"
                         : "+a"(ret)
                         : "D"(close_arg), "r"(in), "r"(out)
                         : "rcx", "r11", "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
        CHECK(!memcmp(in, out, sizeof in), "MMX registers after call %ld", kinds[round % 4]);
    }
    ok("MMX registers");

    for (int round = 0; round < 100; round++) {
        long ret = kinds[round % 4];
        long double sum;
        // 1 + π + log2(10) + ln 2 + log2(e) + log10(2) + 0, added up only after the call
        __asm__ volatile("fldz; fldlg2; fldl2e; fldln2; fldl2t; fldpi; fld1\n\t"
                         "syscall\n\t"
                         "faddp; faddp; faddp; faddp; faddp; faddp"
                         : "+a"(ret), "=t"(sum)
                         : "D"(-1L)
                         : "rcx", "r11", "memory", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
        CHECK(sum > 9.9e0L && sum < 9.91e0L, "sum %.18Lg", sum);
        if (round == 99)
            ok("seven live values: %.18Lg", sum);
    }

    signal(SIGFPE, on_fpe);
    for (volatile int round = 0; round < 20; round++) {
        volatile int called = 0;
        int sig = sigsetjmp(back, 1);
        if (sig == 0) {
            long ret = SYS_getpid;
            unsigned short divide_unmasked = 0x037b;
            // 1/0 leaves an exception that the next waiting instruction raises, which comes after the call
            __asm__ volatile("fninit; fldcw %1; fld1; fldz; fdivrp %%st, %%st(1)\n\t"
                             "syscall\n\t"
                             : "+a"(ret)
                             : "m"(divide_unmasked)
                             : "rcx", "r11", "memory");
            called = ret == getpid();
            __asm__ volatile("fwait" ::: "memory");
            differs("pending exception was lost");
        }
        CHECK(sig == SIGFPE && called, "pending exception was raised too early");
    }
    __asm__ volatile("fninit");
    ok("pending exception");

    for (int mode = 0; mode < 4; mode++) {
        static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
        fesetround(modes[mode]);
        feclearexcept(FE_ALL_EXCEPT);
        feraiseexcept(FE_UNDERFLOW | FE_INEXACT);
        for (int i = 0; i < 100; i++)
            CHECK(raw0(1000) == -ENOSYS && close(-1) == -1, "calls");
        CHECK(fegetround() == modes[mode], "rounding mode %d", modes[mode]);
        CHECK(fetestexcept(FE_ALL_EXCEPT) == (FE_UNDERFLOW | FE_INEXACT), "exceptions %x", fetestexcept(FE_ALL_EXCEPT));
        volatile double one = 1, three = 3;
        volatile long double long_three = 3;
        double third = one / three;
        long double long_third = 1 / long_three;
        uint64_t bits;
        memcpy(&bits, &third, 8);
        ok("mode %d: 1/3 is %016lx and %.20Lg", mode, bits, long_third);
    }
    return 0;
}
