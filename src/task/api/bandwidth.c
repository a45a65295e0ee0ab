#include "task/api/bandwidth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

#define VARIABLE "SELFPAGE_BANDWIDTH"

static int refuse(const char *text, struct sp_error *error)
{
    check(text != NULL);
    return error_set(error, EINVAL,
                     VARIABLE
                     "='%.60s' is none of shares=N, rate=PAGES and rate=PAGES,extra (pages a "
                     "second)",
                     text);
}

/* A number from `text` on, above 0. Returns what stands behind it; NULL: there is none. */
static const char *number_after(const char *text, const char *name, uint32_t *numberp)
{
    size_t length = strlen(name);
    unsigned long long number;
    char *end;

    check(*numberp == 0);
    if (strncmp(text, name, length) != 0 || text[length] < '0' || text[length] > '9')
        return NULL;
    errno = 0;
    number = strtoull(text + length, &end, 10);
    if (errno != 0 || number == 0 || number > UINT32_MAX)
        return NULL;
    *numberp = (uint32_t)number;
    return end;
}

static int parse(const char *text, struct wire_message *message, struct sp_error *error)
{
    const char *rest = number_after(text, "shares=", &message->bandwidth.shares);

    check(message->type == WIRE_BANDWIDTH);
    if (rest == NULL)
        rest = number_after(text, "rate=", &message->bandwidth.rate);
    if (rest != NULL && message->bandwidth.rate > 0 && strcmp(rest, ",extra") == 0)
        message->bandwidth.extra = 1;
    else if (rest == NULL || *rest != '\0')
        return refuse(text, error);
    return 0;
}

int bandwidth_negotiate(struct sp_task *task, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_BANDWIDTH};
    struct wire_message reply;
    const char *text = getenv(VARIABLE);
    int result;

    if (text == NULL || text[0] == '\0')
        return 0;
    check(task->own_file_fd < 0);
    result = parse(text, &message, error);
    if (result != 0)
        return result;
    if (channel_ask(&task->swap, &message, -1, &reply) != 0)
        return error_set(error, EPROTO, "swap is gone");
    if (reply.error == 0)
        return 0;
    return error_set(error, (int)reply.error, VARIABLE "=%.60s: swap refuses: %s", text,
                     reply.type == WIRE_DONE ? reply.done.text : "unexpected answer");
}
