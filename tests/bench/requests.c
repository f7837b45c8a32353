// Gets / from an HTTP server on the local host, COUNT times in all on a few
// connections at a time, so that the server always has something to do.
//
//     requests PORT COUNT
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 16 };

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

// Reads one response: the head, which ends with an empty line, and the body.
static int read_response(int connection) {
    char text[4096];
    size_t have = 0;
    for (;;) {
        ssize_t got = read(connection, text + have, sizeof text - 1 - have);
        if (got <= 0)
            return 0;
        have += got;
        text[have] = 0;
        char *body = strstr(text, "\r\n\r\n");
        char *length = strstr(text, "Content-Length: ");
        if (body && length && have >= (size_t)(body + 4 - text) + atol(length + 16))
            return strncmp(text, "HTTP/1.1 200 ", 13) == 0;
    }
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    struct sockaddr_in server = {
        .sin_family = AF_INET,
        .sin_port = htons(atoi(argv[1])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int connections[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(connections[i], (struct sockaddr *)&server, sizeof server) != 0) {
            perror("requests");
            return 1;
        }
    }
    for (long left = atol(argv[2]); left > 0; left -= CONNECTIONS) {
        for (int i = 0; i < CONNECTIONS; i++)
            if (write(connections[i], request, sizeof request - 1) != sizeof request - 1)
                return perror("requests"), 1;
        for (int i = 0; i < CONNECTIONS; i++)
            if (!read_response(connections[i])) {
                fprintf(stderr, "requests: no good response\n");
                return 1;
            }
    }
    return 0;
}
