/*
 * firewall.c: nobody reaches the network. Only sockets within the machine may be connected,
 * and sent to, by address.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "interceptor.h"

static int enter(struct interceptor_call *call, void *data)
{
    (void)data;
    long address = call->nr == SYS_connect ? call->args[1] : call->args[4];
    sa_family_t family;
    /* The kernel refuses what cannot be read. It reads the address again, and another thread
       may have changed it by then: this keeps programs out, not attackers. */
    if (!address || interceptor_read(&family, address, sizeof family) < 0)
        return INTERCEPTOR_FORWARD;
    if (family == AF_UNIX || family == AF_NETLINK)
        return INTERCEPTOR_FORWARD;
    call->result = -EACCES;
    return INTERCEPTOR_ANSWER;
}

__attribute__((constructor)) static void start(void)
{
    struct interceptor_hook hook = {
        .size = sizeof hook, .name = "firewall", .calls = "connect,sendto", .enter = enter};
    interceptor_register(&hook);
}
