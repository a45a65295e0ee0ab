#include "swap_line.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/sock.h"

/* A message that the socket did not take yet. */
struct queued {
    struct queued *next;
    int fd; /* that goes with it; or -1 */
    struct wire_message message;
};

struct swap_line {
    uv_poll_t poll; /* first */
    struct link link;
    struct swap_lines *lines;
    void *owner; /* NULL: it is being closed */
    struct queued *queued;
    unsigned char buffer[LINK_BUFFER];
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct swap_line *line)
{
    uv_poll_start(&line->poll, UV_READABLE | (line->queued != NULL ? UV_WRITABLE : 0), on_poll);
}

int swap_line_open(struct swap_lines *lines, void *owner, struct swap_line **linep)
{
    struct swap_line *line;
    int fd = sock_connect_now(lines->path), code;

    if (fd < 0)
        return fd == -EAGAIN ? -EAGAIN : -EPIPE;
    line = calloc(1, sizeof(*line));
    code = line == NULL ? -ENOMEM : uv_poll_init(lines->loop, &line->poll, fd);
    if (code < 0) {
        free(line);
        close(fd);
        return code;
    }
    link_init(&line->link, fd, line->buffer, sizeof(line->buffer));
    line->lines = lines;
    line->owner = owner;
    watch(line);
    *linep = line;
    return 0;
}

uint32_t swap_line_next_seq(struct swap_line *line)
{
    return link_next_seq(&line->link);
}

static void queued_free(struct queued *queued)
{
    if (queued->fd >= 0)
        close(queued->fd);
    free(queued);
}

static void on_closed(uv_handle_t *handle)
{
    struct swap_line *line = (struct swap_line *)(void *)handle;
    struct queued *queued;

    link_close(&line->link);
    while ((queued = line->queued) != NULL) {
        line->queued = queued->next;
        queued_free(queued);
    }
    free(line);
}

void swap_line_close(struct swap_line *line)
{
    ensure(line->owner != NULL);
    line->owner = NULL;
    uv_close((uv_handle_t *)&line->poll, on_closed);
}

/* A copy of a message, with its descriptor; NULL: there is no memory, or no descriptor. */
static struct queued *queued_new(const struct wire_message *message, int borrowed_fd)
{
    struct queued *queued = malloc(sizeof(*queued));

    if (queued == NULL)
        return NULL;
    *queued = (struct queued){NULL, borrowed_fd >= 0 ? dup(borrowed_fd) : -1, *message};
    if (borrowed_fd < 0 || queued->fd >= 0)
        return queued;
    free(queued);
    return NULL;
}

void swap_line_send(struct swap_line *line, const struct wire_message *message, int borrowed_fd)
{
    struct queued **end = &line->queued;
    int code = line->queued == NULL ? link_send(&line->link, message, borrowed_fd) : -EAGAIN;

    ensure(code != -EINVAL);
    if (code != -EAGAIN)
        return;
    while (*end != NULL)
        end = &(*end)->next;
    *end = queued_new(message, borrowed_fd);
    if (*end == NULL)
        shutdown(line->link.fd, SHUT_RDWR); /* without this message the rest means something else */
    else
        watch(line);
}

static void send_queued(struct swap_line *line)
{
    struct queued *first;

    while ((first = line->queued) != NULL) {
        if (link_send(&line->link, &first->message, first->fd) == -EAGAIN)
            return;
        line->queued = first->next;
        queued_free(first);
    }
    watch(line);
}

static void receive(struct swap_line *line)
{
    struct swap_lines *lines = line->lines;
    int code = 1, fd;

    while (line->owner != NULL && (code = link_next(&line->link, &lines->message, &fd)) > 0) {
        if (fd >= 0)
            close(fd);
        code = -lines->on_message(line->owner, &lines->message);
        if (code != 0)
            break;
    }
    if (code < 0 && line->owner != NULL)
        lines->on_lost(line->owner, -code);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct swap_line *line = (struct swap_line *)(void *)poll;

    if (line->owner == NULL)
        return;
    if (status < 0) {
        line->lines->on_lost(line->owner, EPIPE);
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        send_queued(line);
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0)
        receive(line);
}
