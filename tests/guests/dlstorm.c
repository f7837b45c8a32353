// flags: -ldl
// expect: Each dlopen maps executable text that must be patched before it runs, and each dlclose takes it away,
// often to be mapped at the same place again; meanwhile other threads run. A thousand rounds load libdlstorm.so
// (found next to the guest), call through its sites (one was run by its constructor) and unload it, while four
// threads make calls, one of which loads and unloads it too. Every result must be right, and nothing may crash.
#include "proc.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

static const char *library;
static atomic_int stop;
static atomic_long made;
static int null;

static void load_and_call(long pid) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    CHECK(handle, "%s", dlerror());
    long (*get_pid)(void) = (long (*)(void))dlsym(handle, "dlstorm_pid");
    long (*constructed_in)(void) = (long (*)(void))dlsym(handle, "dlstorm_constructed_in");
    long (*fail)(int) = (long (*)(int))dlsym(handle, "dlstorm_fail");
    CHECK(get_pid && constructed_in && fail, "%s", dlerror());
    CHECK(get_pid() == pid, "library's getpid %ld", get_pid());
    CHECK(constructed_in() == pid, "constructor's getpid %ld", constructed_in());
    CHECK(fail(-1) == -EBADF, "library's close %ld", fail(-1));
    CHECK(dlclose(handle) == 0, "%s", dlerror());
}

static void *call_all_the_time(void *loads) {
    long pid = getpid();
    while (!stop) {
        CHECK(raw0(SYS_getpid) == pid, "getpid");
        CHECK(write(null, "hello", 5) == 5, "write");
        CHECK(raw0(1000) == -ENOSYS, "no such call");
        if (loads)
            load_and_call(pid);
        made++;
    }
    return NULL;
}

int main(void) {
    library = beside_program("libdlstorm.so");
    null = open("/dev/null", O_WRONLY);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, call_all_the_time, i ? NULL : &made) == 0, "pthread_create");
    for (int i = 0; i < 1000; i++)
        load_and_call(getpid());
    while (made < 1000)
        usleep(1000);
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(!dlopen(library, RTLD_NOW | RTLD_NOLOAD), "library is still loaded");
    ok("1000 times loaded, called and unloaded while others call");
    return 0;
}
