#include "task/api/bandwidth.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "core/contracts/bandwidth_text.h"

#define VARIABLE "SELFPAGE_BANDWIDTH"

static int parse(const char *text, struct wire_message *message, struct sp_error *error)
{
    struct bandwidth_text wanted;

    check(message->type == WIRE_BANDWIDTH);
    if (!bandwidth_text_parse(text, &wanted))
        return error_set(error, EINVAL, VARIABLE "='%.60s' is none of " BANDWIDTH_TEXT_FORMS, text);
    message->bandwidth.shares = wanted.shares;
    message->bandwidth.rate = wanted.rate;
    message->bandwidth.extra = wanted.extra;
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
