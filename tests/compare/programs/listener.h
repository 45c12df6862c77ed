/* PROGRAM CERTIFICATE KEY (ADDRESS PORT LOWEST HIGHEST)...: one process for each server, one more for each
 * connection. A program defines serve(). */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char ANSWER[] = "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/* Shakes hands on the connection and answers one request. */
static void serve(int connection, const char *certificate, const char *key, const char *lowest, const char *highest);

static void listen_forever(const char *certificate, const char *key, char **server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(server[1]))};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, server[0], &address.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64)) {
        perror(server[0]);
        exit(1);
    }
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) continue;
        if (fork() == 0) {
            alarm(20);
            serve(connection, certificate, key, server[2], server[3]);
            exit(0);
        }
        close(connection);
    }
}

int main(int count, char **arguments)
{
    for (int i = 3; i + 3 < count; i += 4) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            listen_forever(arguments[1], arguments[2], arguments + i);
        }
    }
    while (wait(NULL) > 0) continue;
    return 1;
}
