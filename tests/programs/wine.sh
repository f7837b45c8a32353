# needs: x86_64-w64-mingw32-gcc /usr/lib/wine/wine64 /usr/lib/wine/wineserver64
# heavy: yes
# A Windows program: threads with storage and a GS base of their own, suspended and asked for their registers by signals,
# faults that it handles by changing them, processes that pass on descriptors, and a server that knows all.
export HOME="$PWD" WINEPREFIX="$PWD/prefix" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
wine=/usr/lib/wine/wine64 server=/usr/lib/wine/wineserver64
cat > program.c << 'END'
#include <stdio.h>
#include <string.h>
#include <windows.h>

static CRITICAL_SECTION lock;
static long counted;
static int faults;
static volatile int is_asked;

static DWORD WINAPI count(void *number) {
    for (int i = 0; i < 1000; i++) {
        EnterCriticalSection(&lock);
        counted++;
        LeaveCriticalSection(&lock);
        if (i % 100 == 0)
            Sleep(1);
    }
    // The last one lives until its registers have been asked for.
    while (number == &lock && !is_asked)
        Sleep(0);
    return (DWORD)(size_t)number;
}

// Goes on behind the two bytes of the instruction that has failed.
static LONG CALLBACK handle(EXCEPTION_POINTERS *pointers) {
    DWORD code = pointers->ExceptionRecord->ExceptionCode;
    if (code != EXCEPTION_ACCESS_VIOLATION && code != EXCEPTION_INT_DIVIDE_BY_ZERO)
        return EXCEPTION_CONTINUE_SEARCH;
    faults++;
    pointers->ContextRecord->Rip += 2;
    pointers->ContextRecord->Rax = 77;
    return EXCEPTION_CONTINUE_EXECUTION;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        puts("a child");
        return 5;
    }
    InitializeCriticalSection(&lock);
    HANDLE threads[8];
    for (size_t i = 0; i < 8; i++)
        threads[i] = CreateThread(NULL, 0, count, (void *)i, 0, NULL);
    WaitForMultipleObjects(8, threads, TRUE, INFINITE);
    printf("%ld\n", counted);

    AddVectoredExceptionHandler(1, handle);
    unsigned long long result = 0;
    for (int i = 0; i < 100; i++)
        __asm__ volatile("xor %%ecx, %%ecx; mov (%%rcx), %%eax; mov %%rax, %0" : "=r"(result)::"rax", "rcx");
    __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" ::: "rax", "rcx", "rdx");
    printf("%d faults, %llu\n", faults, result);

    HANDLE thread = CreateThread(NULL, 0, count, &lock, CREATE_SUSPENDED, NULL);
    ResumeThread(thread);
    int known = 0;
    for (int i = 0; i < 50; i++) {
        CONTEXT context = {.ContextFlags = CONTEXT_FULL};
        SuspendThread(thread);
        known += GetThreadContext(thread, &context) && context.Rip && context.Rsp;
        ResumeThread(thread);
    }
    is_asked = 1;
    WaitForSingleObject(thread, INFINITE);
    printf("%ld, %d\n", counted, known);

    char command[300];
    snprintf(command, sizeof command, "\"%s\" child", argv[0]);
    STARTUPINFO with = {.cb = sizeof with};
    PROCESS_INFORMATION child;
    DWORD status = 0;
    fflush(stdout);
    if (CreateProcess(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &with, &child)) {
        WaitForSingleObject(child.hProcess, INFINITE);
        GetExitCodeProcess(child.hProcess, &status);
    }
    printf("%lu\n", status);

    void *code = VirtualAlloc(NULL, 65536, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
    memcpy(code, "\xb8\x2a\0\0\0\xc3", 6);
    printf("%d\n", ((int (*)(void))code)());
    fflush(stdout);
    TerminateProcess(GetCurrentProcess(), 9);
}
END
x86_64-w64-mingw32-gcc -O1 program.c -o program.exe && $wine program.exe 2> /dev/null; echo $?
$wine cmd /c 'echo from cmd && dir /b *.c' 2> /dev/null; echo $?
$server -k; $server -w; rm -rf prefix .cache .local .config program.exe
