/* Passing on what children write. */
#include "selfpage/run/relay.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Show the line gathered so far. */
static void relay_flush(struct relay *relay)
{
    for (size_t i = 0; i < relay->length; i++)
        if (relay->line[i] == '\0')
            relay->line[i] = '?';
    report_line(relay->report, relay->name, "%.*s", (int)relay->length, relay->line);
    relay->length = 0;
    relay->lines++;
}

static void relay_take(struct relay *relay, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n')
            relay->line[relay->length++] = bytes[i];
        if (bytes[i] == '\n' || relay->length == RELAY_LINE)
            relay_flush(relay);
    }
}

/* Read what there is. Returns 0, or -EPIPE at the end. */
static int relay_read(struct relay *relay)
{
    char bytes[4096];
    ssize_t size;

    while ((size = read(relay->fd, bytes, sizeof bytes)) > 0)
        relay_take(relay, bytes, (size_t)size);
    return size < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

static void relay_on_readable(uv_poll_t *poll, int status, int events)
{
    struct relay *relay = poll->data;

    (void)events;
    if (status != 0 || relay_read(relay) != 0)
        uv_poll_stop(poll);
}

int relay_start(struct relay *relay, uv_loop_t *loop, struct report *report, const char *name,
                int consume_fd)
{
    int result;

    relay->report = report;
    relay->name = name;
    relay->fd = consume_fd;
    relay->length = 0;
    relay->poll.data = relay;
    result = uv_poll_init(loop, &relay->poll, consume_fd);
    if (result == 0)
        result = uv_poll_start(&relay->poll, UV_READABLE, relay_on_readable);
    return result;
}

void relay_drain(struct relay *relay)
{
    if (relay->fd < 0)
        return;
    relay_read(relay);
    if (relay->length > 0)
        relay_flush(relay);
}

void relay_fini(struct relay *relay)
{
    if (relay->fd >= 0)
        close(relay->fd);
    relay->fd = -1;
}
