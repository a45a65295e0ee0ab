/* Random legal messages of every type, expanded from the schema: for tests, and attacks by chance. */
#ifndef WIRE_RANDOM_MESSAGE_H
#define WIRE_RANDOM_MESSAGE_H

#include <string.h>

#include "base/random.h"
#include "wire/message.h"

static const uint8_t message_types[] = {
#define MESSAGE_TYPE(NAME, member, number, fds, senders, FIELDS) number,
    WIRE_MESSAGES(MESSAGE_TYPE)
#undef MESSAGE_TYPE
};

#define MESSAGE_TYPES (sizeof(message_types) / sizeof(message_types[0]))

static inline void random_text(struct random_source *random, char *text, size_t size)
{
    size_t length = random_below(random, (uint32_t)size);
    size_t i;

    memset(text, 0, size);
    for (i = 0; i < length; i++)
        text[i] = (char)(' ' + random_below(random, '~' - ' ' + 1));
}

/* A number below `limit`; the ends, and small ones, are tried more often than the middle. */
static inline uint64_t random_field(struct random_source *random, uint64_t limit)
{
    switch (random_below(random, 5)) {
    case 0:
        return 0;
    case 1:
        return limit - 1;
    case 2: /* numbers that may have been given to something */
        return limit == 0 || limit > 8 ? random_below(random, 8) : random_bits(random) % limit;
    default:
        return limit == 0 ? random_bits(random) : random_bits(random) % limit;
    }
}

/* Limit 0 stands for 2^64; narrower fields cut what they are given. */
#define RANDOM_F(type, name, ...) body->name = (wire_##type)random_field(random, 0);
#define RANDOM_E(name, LIST, ...) body->name = (wire_u8)random_field(random, WIRE_COUNT(LIST));
#define RANDOM_S(name, size)      random_text(random, body->name, size);
#define RANDOM_L(element, name, max)                                                               \
    body->name##_count = (wire_u16)random_field(random, (max) + 1u);                               \
    random_list_##element(random, body->name, body->name##_count);

#define RANDOM_ELEMENT(element, FIELDS)                                                            \
    static inline void random_list_##element(struct random_source *random,                         \
                                             struct wire_##element *body, unsigned count)          \
    {                                                                                              \
        for (; count > 0; count--, body++) {                                                       \
            FIELDS(RANDOM_F, RANDOM_E)                                                             \
        }                                                                                          \
    }
WIRE_ELEMENTS(RANDOM_ELEMENT)
#undef RANDOM_ELEMENT

#define RANDOM_BODY(NAME, member, number, fds, senders, FIELDS)                                    \
    static inline void random_##member##_body(struct random_source *random,                        \
                                              struct wire_message *message)                        \
    {                                                                                              \
        __typeof__(message->member) *body = &message->member;                                      \
        FIELDS(RANDOM_F, RANDOM_E, RANDOM_S, RANDOM_L)                                             \
    }
WIRE_MESSAGES(RANDOM_BODY)
#undef RANDOM_BODY

/* A legal message of `type`. All bytes that do not belong to it are zeros. */
static inline void random_message(struct random_source *random, uint8_t type,
                                  struct wire_message *message)
{
    memset(message, 0, sizeof(*message));
    message->type = type;
    message->nfds = (uint8_t)message_type_fds(type);
    message->seq = (uint32_t)random_field(random, UINT64_C(1) << 32);
    message->error = (uint32_t)random_field(random, 4096);
    switch (type) {
#define RANDOM_CASE(NAME, member, number, fds, senders, FIELDS)                                    \
    case number:                                                                                   \
        random_##member##_body(random, message);                                                   \
        break;
        WIRE_MESSAGES(RANDOM_CASE)
#undef RANDOM_CASE
    }
}

#endif
