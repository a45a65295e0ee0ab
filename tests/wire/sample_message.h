/* The sample of a message type: one legal message that never changes while the schema does not.
 * Each number is another one, each enumeration has its last value, each string is its field's name,
 * and each list has two elements. */
#ifndef TESTS_SAMPLE_MESSAGE_H
#define TESTS_SAMPLE_MESSAGE_H

#include <string.h>

#include "wire/message.h"

/* Numbers that show a wrong order or width of bytes. */
static inline uint64_t sample_next(uint64_t *last)
{
    *last += UINT64_C(0x0102030405060709);
    return *last;
}

static inline void sample_text(char *text, size_t size, const char *name)
{
    memset(text, 0, size);
    memcpy(text, name, strlen(name) < size ? strlen(name) : size - 1);
}

#define SAMPLE_F(type, name, ...) body->name = (wire_##type)sample_next(last);
#define SAMPLE_E(name, LIST, ...) body->name = (wire_u8)(WIRE_COUNT(LIST) - 1);
#define SAMPLE_S(name, size)      sample_text(body->name, size, #name);
#define SAMPLE_L(element, name, max)                                                               \
    body->name##_count = 2;                                                                        \
    for (unsigned i = 0; i < body->name##_count; i++)                                              \
        sample_##element(last, &body->name[i]);

#define SAMPLE_ELEMENT(element, FIELDS)                                                            \
    static inline void sample_##element(uint64_t *last, struct wire_##element *body)               \
    {                                                                                              \
        FIELDS(SAMPLE_F, SAMPLE_E)                                                                 \
    }
WIRE_ELEMENTS(SAMPLE_ELEMENT)
#undef SAMPLE_ELEMENT

#define SAMPLE_BODY(NAME, member, number, fds, senders, FIELDS)                                    \
    static inline void sample_##member##_body(uint64_t *last, struct wire_message *message)        \
    {                                                                                              \
        __typeof__(message->member) *body = &message->member;                                      \
        (void)last; /* a body may have no numbers */                                               \
        FIELDS(SAMPLE_F, SAMPLE_E, SAMPLE_S, SAMPLE_L)                                             \
    }
WIRE_MESSAGES(SAMPLE_BODY)
#undef SAMPLE_BODY

/* The sample of `type`; HELLO and WELCOME carry the version. All other bytes are zeros. */
static inline void sample_message(uint8_t type, struct wire_message *message)
{
    uint64_t last = 0;

    memset(message, 0, sizeof(*message));
    message->type = type;
    message->nfds = (uint8_t)message_type_fds(type);
    message->seq = 7;
    switch (type) {
#define SAMPLE_CASE(NAME, member, number, fds, senders, FIELDS)                                    \
    case number:                                                                                   \
        sample_##member##_body(&last, message);                                                    \
        break;
        WIRE_MESSAGES(SAMPLE_CASE)
#undef SAMPLE_CASE
    }
    if (type == WIRE_HELLO)
        message->hello.version = WIRE_VERSION;
    if (type == WIRE_WELCOME)
        message->welcome.version = WIRE_VERSION;
}

#endif
