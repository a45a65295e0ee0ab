#include "client/hello.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

void hello_fill(struct wire_message *message, const struct hello *hello)
{
    *message = (struct wire_message){.type = WIRE_HELLO, .seq = 1};
    message->hello.version = WIRE_VERSION;
    message->hello.role = (uint8_t)hello->role;
    message->hello.id = hello->id;
    message->hello.key = hello->key;
    for (size_t i = 0; i < WIRE_NAME - 1 && hello->name[i] != '\0'; i++) {
        char c = hello->name[i];

        message->hello.name[i] = '?';
        if (c >= ' ' && c <= '~')
            message->hello.name[i] = c;
    }
}

/* The server's reason, and what this side can add to it. */
static int refused(const struct wire_message *answer, const char *server, struct sp_error *error)
{
    const char *reason = strerror((int)answer->error);

    if (answer->type == WIRE_DONE && answer->done.text[0] != '\0')
        reason = answer->done.text;
    if (answer->error == EPROTO)
        return error_set(error, EPROTO,
                         "%s refuses the connection: %s. This program speaks version %u of the "
                         "protocol: install both from one release",
                         server, reason, WIRE_VERSION);
    return error_set(error, (int)answer->error, "%s refuses the connection: %s", server, reason);
}

int hello_check(const struct wire_message *answer, const char *server, struct sp_error *error)
{
    if (answer->error != 0)
        return refused(answer, server, error);
    if (answer->type != WIRE_WELCOME)
        return error_set(error, EPROTO, "%s answers HELLO with %s", server,
                         message_type_name(answer->type));
    if (answer->welcome.version != WIRE_VERSION)
        return error_set(
            error, EPROTO,
            "%s speaks version %u of the protocol, and this program version %u: install "
            "both from one release",
            server, answer->welcome.version, WIRE_VERSION);
    return 0;
}
