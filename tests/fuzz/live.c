#include "live.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/hello.h"
#include "client/link.h"
#include "os/extent.h"
#include "os/sock.h"

#define CLIENTS 4u
#define STEPS   8 /* of the loop, after each record */

/* The first byte of a record: which client (2 bits), which descriptor (3 bits), whether the client
 * hangs up (3 bits). */
#define RECORD_CLIENT(byte)     ((byte)&3u)
#define RECORD_DESCRIPTOR(byte) ((byte) >> 2 & 7u)
#define RECORD_ENDS(byte)       (((byte) >> 5 & 7u) == 7u)

struct client {
    struct link link;
    unsigned char buffer[LINK_BUFFER];
};

static struct client clients[CLIENTS];
static uint32_t first_id;
static uint64_t first_key;
static char directory[64], path[96], file[96];

static void remove_directory(void)
{
    unlink(path);
    unlink(file);
    rmdir(directory);
}

const char *live_path(void)
{
    const char *parent = getenv("TMPDIR");

    if (directory[0] != '\0')
        return path;
    snprintf(directory, sizeof(directory), "%.40s/fuzz.XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(directory) == NULL)
        abort();
    snprintf(path, sizeof(path), "%s/s", directory);
    atexit(remove_directory);
    return path;
}

const char *live_file(void)
{
    snprintf(file, sizeof(file), "%s/file", directory);
    return file;
}

static void run_loop(uv_loop_t *loop)
{
    for (int i = 0; i < STEPS; i++)
        uv_run(loop, UV_RUN_NOWAIT);
}

/* Take what the server has sent; it must be what a server may send. */
static void receive(struct client *client)
{
    struct wire_message message;
    int result, fd;

    while (client->link.fd >= 0 && (result = link_next(&client->link, &message, &fd)) != 0) {
        if (result == -EPROTO)
            abort();
        if (result < 0) {
            link_close(&client->link);
            return;
        }
        if (fd >= 0)
            close(fd);
        if (message.type == WIRE_WELCOME && first_key == 0) {
            first_id = message.welcome.id;
            first_key = message.welcome.key;
        }
    }
}

/* A descriptor of each kind that somebody may send; -1: none. */
static int make_descriptor(unsigned kind)
{
    int pair[2], fd;

    switch (kind) {
    case 1:
        return extent_create("fuzz", 4, NULL);
    case 2:
        return memfd_create("fuzz", MFD_CLOEXEC);
    case 3:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    case 4:
        if (sock_pair(pair) != 0)
            return -1;
        close(pair[1]);
        return pair[0];
    case 5: /* an extent that its sender cuts at once */
        fd = extent_create("fuzz", 1, NULL);
        extent_truncate(fd);
        return fd;
    default:
        return -1;
    }
}

/* The clients are two connections of one task, an observer, and a policy server. */
static bool connect_client(unsigned which)
{
    static const uint8_t roles[CLIENTS] = {WIRE_ROLE_TASK, WIRE_ROLE_CONTROL, WIRE_ROLE_OBSERVER,
                                           WIRE_ROLE_POLICY};
    const struct hello hello = {roles[which], which == 1 ? first_id : 0, which == 1 ? first_key : 0,
                                "fuzz"};
    struct client *client = &clients[which];
    struct wire_message message;

    if (client->link.fd >= 0)
        return true;
    link_init(&client->link, link_connect(path, NULL), client->buffer, sizeof(client->buffer));
    if (client->link.fd < 0)
        return false;
    hello_fill(&message, &hello);
    return link_send(&client->link, &message, -1) == 0;
}

/* Play one record. Returns the bytes that it has. */
static size_t play_record(uv_loop_t *loop, const uint8_t *data, size_t size)
{
    struct client *client = &clients[RECORD_CLIENT(data[0])];
    size_t count = size > 2 ? data[1] | (size_t)(data[2] & 0x0f) << 8 : 0;
    int fd;

    if (count > size - (size > 2 ? 3 : size))
        count = size - 3;
    if (!connect_client(RECORD_CLIENT(data[0])))
        return size;
    run_loop(loop);
    receive(client);
    fd = make_descriptor(RECORD_DESCRIPTOR(data[0]));
    if (client->link.fd >= 0 && count > 0)
        sock_send(client->link.fd, data + 3, count, fd);
    if (fd >= 0)
        close(fd);
    run_loop(loop);
    receive(client);
    if (RECORD_ENDS(data[0]))
        link_close(&client->link);
    return count + 3;
}

void live_play(uv_loop_t *loop, const uint8_t *data, size_t size)
{
    first_id = 0;
    first_key = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i].link.fd = -1;
    while (size > 0) {
        size_t used = play_record(loop, data, size);

        data += used < size ? used : size;
        size -= used < size ? used : size;
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        link_close(&clients[i].link);
    run_loop(loop);
}
