/* Messages as structs, and their encoding. Pure: bytes in, structs out; no I/O, no allocation. */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/contract.h>

#include "wire/schema.h"

/* enum wire_role { WIRE_ROLE_TASK = 0, ... } and its like. */
#define WIRE_ENUM_CONSTANT(constant, value, name) constant = value,
#define WIRE_ENUM(tag, LIST)                      enum tag { LIST(WIRE_ENUM_CONSTANT) };
WIRE_ENUMS(WIRE_ENUM)
#undef WIRE_ENUM

enum wire_type {
#define WIRE_TYPE(NAME, name, number, fds, senders, FIELDS) WIRE_##NAME = number,
    WIRE_MESSAGES(WIRE_TYPE)
#undef WIRE_TYPE
};

typedef uint8_t wire_u8;
typedef uint16_t wire_u16;
typedef uint32_t wire_u32;
typedef uint64_t wire_u64;

#define WIRE_STRUCT_F(type, name, ...) wire_##type name;
#define WIRE_STRUCT_E(name, LIST, ...) wire_u8 name;
#define WIRE_STRUCT_S(name, size)      char name[size];
#define WIRE_STRUCT_L(element, name, max)                                                          \
    wire_u16 name##_count;                                                                         \
    struct wire_##element name[max];

/* struct wire_range, struct wire_map ...: elements of lists. */
#define WIRE_ELEMENT(name, FIELDS)                                                                 \
    struct wire_##name {                                                                           \
        FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E)                                                       \
    };
WIRE_ELEMENTS(WIRE_ELEMENT)
#undef WIRE_ELEMENT

/* One message. `body` is read and written through the member named like the type. */
struct wire_message {
    uint8_t type; /* enum wire_type */
    uint8_t nfds; /* set by the encoder and the decoder from the type */
    uint32_t seq;
    uint32_t error; /* 0, or a positive errno value */
    union {
#define WIRE_BODY(NAME, name, number, fds, senders, FIELDS)                                        \
    struct {                                                                                       \
        FIELDS(WIRE_STRUCT_F, WIRE_STRUCT_E, WIRE_STRUCT_S, WIRE_STRUCT_L)                         \
    } name;
        WIRE_MESSAGES(WIRE_BODY)
#undef WIRE_BODY
    };
};

/* Bytes an encoded message can have at most. */
#define WIRE_MESSAGE_MAX (WIRE_HEADER + WIRE_BODY_MAX)

/* Encode `message` into `buffer` of `size` bytes. Returns the number of bytes, or 0 if they would
 * not fit or the message is not legal (unknown type, list longer than its limit, enum out of
 * range). A buffer of WIRE_MESSAGE_MAX bytes is enough for every legal message. */
size_t wire_encode(const struct wire_message *message, void *buffer, size_t size);

/* What a decoder found. */
enum wire_verdict {
    WIRE_OK = 0,
    WIRE_MORE,      /* the bytes so far are a proper prefix: read more */
    WIRE_BAD_MAGIC, /* these are errors of the peer: end the connection */
    WIRE_BAD_TYPE,
    WIRE_BAD_LENGTH, /* shorter or longer than the fields need, or above WIRE_BODY_MAX */
    WIRE_BAD_FDS,
    WIRE_BAD_ENUM,
    WIRE_BAD_COUNT,
    WIRE_BAD_STRING,
};

/* Decode one message from the front of `size` bytes. On WIRE_OK `*message` is filled and `*used` is
 * the number of bytes it took; on WIRE_MORE `*used` is the number of bytes wanted in all (as far as
 * known). Nothing is read past `size`, nothing is allocated, and no field of a message that was not
 * WIRE_OK may be used. */
enum wire_verdict wire_decode(const void *buffer, size_t size, struct wire_message *message,
                              size_t *used);

/* A verdict in words, for the log: "unknown type". Static. */
const char *print_verdict_text(enum wire_verdict verdict);

/* The name of a message type: "ALLOCATE"; "?" if unknown. Static. */
const char *message_type_name(uint8_t type);

/* The number of descriptors a type carries (0 or 1); 0 for unknown types. */
extern const uint8_t message_descriptors[UINT8_MAX + 1];

static inline unsigned message_type_fds(uint8_t type)
{
    return message_descriptors[type];
}

/* Which peers may send a type: WIRE_BY_* bits; 0 for unknown types. */
unsigned message_type_senders(uint8_t type);

/* The text of a reason (enum sp_reason), for people: "the sum of guarantees would exceed the frames
 * there are"; "unknown reason" for other numbers. Static. */
const char *print_reason_text(uint8_t reason);

/* Write `message` as one line of text, "ALLOCATE seq=7 container=1 start=0 count=16 ...", without a
 * newline, into `buffer`, always NUL-terminated; lists are shown up to their fourth element.
 * Returns the length, cut to size - 1. */
size_t wire_print(const struct wire_message *message, char *buffer, size_t size);

/* Copy the fields of struct sp_terms between it and a message that has them. */
#define WIRE_COPY_TERMS(to, from)                                                                  \
    do {                                                                                           \
        (to)->kind = (from)->kind;                                                                 \
        (to)->on_breach = (from)->on_breach;                                                       \
        (to)->grace_unit = (from)->grace_unit;                                                     \
        (to)->order = (from)->order;                                                               \
        (to)->min = (from)->min;                                                                   \
        (to)->frames = (from)->frames;                                                             \
        (to)->weight = (from)->weight;                                                             \
        (to)->term_ns = (from)->term_ns;                                                           \
        (to)->t_clean = (from)->t_clean;                                                           \
        (to)->t_drop = (from)->t_drop;                                                             \
        (to)->bid = (from)->bid;                                                                   \
    } while (0)

#endif
