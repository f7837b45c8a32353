// expect: Results larger than an int, transfers in many parts and structures with pointers to pointers must pass
// through unchanged. Large writev and readv through a pipe with a second process, preadv and pwritev at an offset of
// 5 GiB in a sparse file (results and offsets above 32 bits), descriptors sent by sendmsg and used at the other end,
// sendmmsg and recvmmsg, and lseek's 64-bit result. Contents are verified by checksum.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { PARTS = 64, PART = 70001 };

static unsigned sum(const unsigned char *bytes, size_t count, unsigned from) {
    for (size_t i = 0; i < count; i++)
        from = from * 31 + bytes[i];
    return from;
}

int main(void) {
    size_t total = (size_t)PARTS * PART;
    unsigned char *out = malloc(total), *in = calloc(1, total);
    for (size_t i = 0; i < total; i++)
        out[i] = (unsigned char)(i * 7 + i / 4096);
    struct iovec parts[PARTS];
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (int i = 0; i < PARTS; i++)
            parts[i] = (struct iovec){out + (size_t)i * PART, PART};
        _exit(writev(ends[1], parts, PARTS) == (ssize_t)total ? 42 : 1);
    }
    close(ends[1]);
    size_t got = 0;
    while (got < total) {
        int count = 0;
        for (size_t at = got; at < total && count < PARTS; count++) {
            size_t length = total - at < 30011 ? total - at : 30011;
            parts[count] = (struct iovec){in + at, length};
            at += length;
        }
        ssize_t n = readv(ends[0], parts, count);
        CHECK(n > 0, "readv");
        got += (size_t)n;
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "writer %#x", status);
    CHECK(sum(in, total, 0) == sum(out, total, 0), "contents");
    ok("readv and writev of %zu bytes, sum %08x", total, sum(in, total, 0));

    int file = memfd_create("sparse", 0);
    off_t far = (off_t)5 << 30;
    parts[0] = (struct iovec){out, 1000};
    parts[1] = (struct iovec){out + 1000, 3000};
    CHECK(pwritev(file, parts, 2, far) == 4000, "pwritev");
    CHECK(lseek(file, 0, SEEK_END) == far + 4000, "lseek");
    CHECK(raw3(SYS_lseek, file, far + 17, SEEK_SET) == far + 17, "lseek by own instruction");
    CHECK(raw3(SYS_lseek, file, 0, SEEK_CUR) == far + 17, "position");
    parts[0] = (struct iovec){in, 4000};
    CHECK(preadv(file, parts, 1, far) == 4000 && !memcmp(in, out, 4000), "preadv");
    CHECK(preadv(file, parts, 1, far - 1) == 4000 && in[0] == 0 && !memcmp(in + 1, out, 3999), "preadv a byte before");
    ok("offsets above 32 bits");

    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    for (int round = 0; round < 100; round++) {
        int sent[3] = {memfd_create("sent", 0), dup(file), dup(pair[0])}, received[3];
        CHECK(write(sent[0], &round, sizeof round) == sizeof round, "write");
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(sizeof sent)];
        } control = {0};
        struct iovec byte = {&(char){'x'}, 1};
        struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof control};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                   .cmsg_len = CMSG_LEN(sizeof sent)};
        memcpy(CMSG_DATA(header), sent, sizeof sent);
        CHECK(sendmsg(pair[0], &message, 0) == 1, "sendmsg");
        for (int i = 0; i < 3; i++)
            close(sent[i]);
        memset(&control, 0, sizeof control);
        CHECK(recvmsg(pair[1], &message, 0) == 1, "recvmsg");
        header = CMSG_FIRSTHDR(&message);
        CHECK(header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof received), "control");
        memcpy(received, CMSG_DATA(header), sizeof received);
        int read_back = -1;
        CHECK(pread(received[0], &read_back, sizeof read_back, 0) == sizeof round && read_back == round, "received");
        for (int i = 0; i < 3; i++)
            CHECK(close(received[i]) == 0, "close of a received descriptor");
    }
    ok("descriptors by sendmsg");

    int datagrams[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams) == 0, "socketpair");
    struct mmsghdr batch[8];
    struct iovec pieces[8];
    for (int i = 0; i < 8; i++) {
        pieces[i] = (struct iovec){out + i * 100, 100 + (size_t)i};
        batch[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
    }
    CHECK(sendmmsg(datagrams[0], batch, 8, 0) == 8, "sendmmsg");
    for (int i = 0; i < 8; i++)
        pieces[i] = (struct iovec){in + i * 1000, 1000};
    CHECK(recvmmsg(datagrams[1], batch, 8, 0, NULL) == 8, "recvmmsg");
    for (int i = 0; i < 8; i++)
        CHECK(batch[i].msg_len == 100 + (unsigned)i && !memcmp(in + i * 1000, out + i * 100, batch[i].msg_len),
              "datagram %d of %u bytes", i, batch[i].msg_len);
    ok("sendmmsg and recvmmsg");
    return 0;
}
