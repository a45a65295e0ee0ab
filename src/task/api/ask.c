#include "task/api/ask.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/effects/agreed.h"
#include "task/state/guard.h"

int ask_gone(struct sp_error *error)
{
    return error_set(error, EPIPE, "physmem is gone, or has revoked this task");
}

int ask_check(const struct wire_message *reply, uint8_t expected, struct sp_error *error)
{
    check(expected != 0);
    if (reply->error != 0)
        return error_set(error, (int)reply->error, "physmem: %s",
                         reply->type == WIRE_DONE && reply->done.text[0] != '\0'
                             ? reply->done.text
                             : strerror((int)reply->error));
    if (reply->type != expected)
        return error_set(error, EPROTO, "physmem answered with %s, not with %s",
                         message_type_name(reply->type), message_type_name(expected));
    return 0;
}

int ask_physmem(struct sp_task *task, struct wire_message *message, uint8_t expected,
                struct wire_message *reply, struct sp_error *error)
{
    struct guard guard;
    int result;

    check(expected != message->type); /* a reply is a message of its own */
    guard_begin(&guard);
    result = channel_ask(&task->physmem, message, -1, reply);
    if (result == 0 && reply->type == WIRE_OFFER)
        agreed_note(task, reply);
    if (result == 0 && reply->type == WIRE_PART)
        agreed_part(task, reply);
    guard_end(&guard);
    if (result != 0)
        return ask_gone(error);
    return ask_check(reply, expected, error);
}
