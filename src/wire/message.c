/* Encoding and decoding, expanded from the schema: a cursor over bytes that checks before each read
 * or write, and remembers the first thing that was wrong. */
#include "wire/message.h"

#include <endian.h>
#include <string.h>

#include <selfpage/task.h>

/* Errno values are below this (the kernel's MAX_ERRNO is 4095). */
#define ERRORS 4096u

_Static_assert(WIRE_NAME == SP_NAME_MAX,
               "the name of a task has the same size here and in the protocol");
_Static_assert(WIRE_NAME % 16 == 0 && WIRE_TEXT % 16 == 0, "texts are cleared 16 bytes at a time");

/* Sizes on the wire, as sums: of an element, and of the shortest and the longest body of a type. */
#define SIZE_F(type, name, ...)          +sizeof(wire_##type)
#define SIZE_E(name, LIST, ...)          +1
#define SIZE_S(name, size)               +(size)
#define SIZE_SHORTEST_L(element, n, max) +sizeof(wire_u16)
#define SIZE_LONGEST_L(element, n, max)  +sizeof(wire_u16) + (max) * (size_t)SIZE_OF_##element

enum {
#define SIZE_OF_ELEMENT(name, FIELDS) SIZE_OF_##name = 0 FIELDS(SIZE_F, SIZE_E),
    WIRE_ELEMENTS(SIZE_OF_ELEMENT)
#undef SIZE_OF_ELEMENT
};

struct type_info {
    const char *name;
    uint16_t shortest; /* body, in bytes */
    uint16_t longest;
    uint8_t fds;
    uint16_t by; /* which peers may send it: WIRE_BY_* */
};

/* Indexed by type; the name of unknown types is NULL. */
static const struct type_info types[] = {
#define TYPE_INFO(NAME, member, number, descriptors, senders, FIELDS)                              \
    [number] = {.name = #NAME,                                                                     \
                .shortest = 0 FIELDS(SIZE_F, SIZE_E, SIZE_S, SIZE_SHORTEST_L),                     \
                .longest = 0 FIELDS(SIZE_F, SIZE_E, SIZE_S, SIZE_LONGEST_L),                       \
                .fds = descriptors,                                                                \
                .by = WIRE_BY_##senders},
    WIRE_MESSAGES(TYPE_INFO)
#undef TYPE_INFO
};

#define CHECK_TYPE(NAME, member, number, descriptors, senders, FIELDS)                             \
    _Static_assert(0 FIELDS(SIZE_F, SIZE_E, SIZE_S, SIZE_LONGEST_L) <= WIRE_BODY_MAX,              \
                   #NAME " fits WIRE_BODY_MAX");                                                   \
    _Static_assert((number) > 0 && (number) <= UINT8_MAX, #NAME " has a number of one byte");      \
    _Static_assert((descriptors) <= 1, #NAME " carries one descriptor at most");                   \
    _Static_assert(WIRE_BY_##senders > 0 && WIRE_BY_##senders <= UINT16_MAX, #NAME " has a sender");
WIRE_MESSAGES(CHECK_TYPE)
#undef CHECK_TYPE

#define CHECK_PUBLIC(constants, LIST)                                                              \
    _Static_assert(WIRE_COUNT(LIST) == (constants), #LIST " has all values below " #constants);    \
    LIST(CHECK_VALUE)
#define CHECK_VALUE(constant, value, name)                                                         \
    _Static_assert((int)(constant) == (value), #constant " has the value of its row");
WIRE_PUBLIC_ENUMS(CHECK_PUBLIC)
#undef CHECK_PUBLIC
#undef CHECK_VALUE

/* What is known about a type, or NULL. */
static const struct type_info *type_find(uint8_t type)
{
    if (type >= sizeof(types) / sizeof(types[0]) || types[type].name == NULL)
        return NULL;
    return &types[type];
}

/* One for both directions. `verdict` is WIRE_OK until the first failure; after it, reads give 0 and
 * writes are ignored. */
struct cursor {
    uint8_t *next;
    size_t left;
    enum wire_verdict verdict;
};

static inline void fail(struct cursor *cursor, enum wire_verdict verdict)
{
    if (cursor->verdict == WIRE_OK)
        cursor->verdict = verdict;
}

/* The next `size` bytes, or NULL. */
static inline uint8_t *take(struct cursor *cursor, size_t size)
{
    uint8_t *bytes = cursor->next;

    if (cursor->left < size)
        fail(cursor, WIRE_BAD_LENGTH);
    if (cursor->verdict != WIRE_OK)
        return NULL;
    cursor->next += size;
    cursor->left -= size;
    return bytes;
}

/* `size` is a constant in every use, so that of these one load or store each is left. */
static inline __attribute__((always_inline)) uint64_t get_integer(struct cursor *cursor,
                                                                  size_t size)
{
    const uint8_t *bytes = take(cursor, size);
    uint64_t value = 0;

    if (bytes == NULL)
        return 0;
    memcpy(&value, bytes, size);
    return le64toh(value);
}

static inline __attribute__((always_inline)) void put_integer(struct cursor *cursor, uint64_t value,
                                                              size_t size)
{
    uint8_t *bytes = take(cursor, size);

    value = htole64(value);
    if (bytes != NULL)
        memcpy(bytes, &value, size);
}

/* A number that must be below `limit`, otherwise the verdict is `bad`. Both directions. */
static inline uint64_t below(struct cursor *cursor, uint64_t value, uint64_t limit,
                             enum wire_verdict bad)
{
    if (value < limit)
        return value;
    fail(cursor, bad);
    return 0;
}

/* The length of the text in a string field; fails unless it ends within the field and is printable
 * ASCII. Both directions. */
static size_t check_string(struct cursor *cursor, const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            fail(cursor, WIRE_BAD_STRING);
    if (length == size)
        fail(cursor, WIRE_BAD_STRING);
    return length;
}

static void get_string(struct cursor *cursor, char *text, size_t size)
{
    const char *bytes = (const char *)take(cursor, size);
    size_t length;

    if (bytes == NULL)
        return;
    length = check_string(cursor, bytes, size);
    /* All behind the text is zero if each byte equals the one before it. */
    if (length < size && memcmp(bytes + length, bytes + length + 1, size - length - 1) != 0)
        fail(cursor, WIRE_BAD_STRING);
    memcpy(text, bytes, length);
    memset(text + length, 0, size - length);
}

/* Most texts are empty, and `size` is a constant here, too: one store for every 16 bytes. */
static inline __attribute__((always_inline)) void put_string(struct cursor *cursor,
                                                             const char *text, size_t size)
{
    char *bytes = (char *)take(cursor, size);

    if (bytes == NULL)
        return;
#pragma GCC unroll 16
    for (size_t i = 0; i < size; i += 16)
        memset(bytes + i, 0, 16);
    if (text[0] != '\0')
        memcpy(bytes, text, check_string(cursor, text, size));
}

/* Lists: get_list_range(cursor, array, count) and its like. */
#define GET_F(type, name, ...) body->name = (wire_##type)get_integer(cursor, sizeof(wire_##type));
#define GET_E(name, LIST, ...)                                                                     \
    body->name = (wire_u8)below(cursor, get_integer(cursor, 1), WIRE_COUNT(LIST), WIRE_BAD_ENUM);
#define GET_S(name, size) get_string(cursor, body->name, size);
#define GET_L(element, name, max)                                                                  \
    body->name##_count = (wire_u16)below(cursor, get_integer(cursor, sizeof(wire_u16)),            \
                                         (max) + 1u, WIRE_BAD_COUNT);                              \
    get_list_##element(cursor, body->name, body->name##_count);

#define PUT_F(type, name, ...) put_integer(cursor, body->name, sizeof(wire_##type));
#define PUT_E(name, LIST, ...)                                                                     \
    put_integer(cursor, below(cursor, body->name, WIRE_COUNT(LIST), WIRE_BAD_ENUM), 1);
#define PUT_S(name, size) put_string(cursor, body->name, size);
#define PUT_L(element, name, max)                                                                  \
    put_integer(cursor, below(cursor, body->name##_count, (max) + 1u, WIRE_BAD_COUNT),             \
                sizeof(wire_u16));                                                                 \
    put_list_##element(cursor, body->name, body->name##_count);

#define CODE_ELEMENT(name, FIELDS)                                                                 \
    static void get_list_##name(struct cursor *cursor, struct wire_##name *body, unsigned count)   \
    {                                                                                              \
        for (; count > 0 && cursor->verdict == WIRE_OK; count--, body++) {                         \
            FIELDS(GET_F, GET_E)                                                                   \
        }                                                                                          \
    }                                                                                              \
    static void put_list_##name(struct cursor *cursor, const struct wire_##name *body,             \
                                unsigned count)                                                    \
    {                                                                                              \
        for (; count > 0 && cursor->verdict == WIRE_OK; count--, body++) {                         \
            FIELDS(PUT_F, PUT_E)                                                                   \
        }                                                                                          \
    }
WIRE_ELEMENTS(CODE_ELEMENT)
#undef CODE_ELEMENT

/* Bodies: get_hello(cursor, message) and its like. The cursor is a copy: no write through a pointer
 * can change it, and this keeps it in registers. */
#define CODE_BODY(NAME, member, number, descriptors, senders, FIELDS)                              \
    static void get_##member(struct cursor *outer, struct wire_message *message)                   \
    {                                                                                              \
        __typeof__(message->member) *body = &message->member;                                      \
        struct cursor local = *outer, *cursor = &local;                                            \
        FIELDS(GET_F, GET_E, GET_S, GET_L)                                                         \
        *outer = local;                                                                            \
    }                                                                                              \
    static void put_##member(struct cursor *outer, const struct wire_message *message)             \
    {                                                                                              \
        const __typeof__(message->member) *body = &message->member;                                \
        struct cursor local = *outer, *cursor = &local;                                            \
        FIELDS(PUT_F, PUT_E, PUT_S, PUT_L)                                                         \
        *outer = local;                                                                            \
    }
WIRE_MESSAGES(CODE_BODY)
#undef CODE_BODY

static void get_body(struct cursor *cursor, struct wire_message *message)
{
    switch (message->type) {
#define GET_BODY(NAME, member, number, descriptors, senders, FIELDS)                               \
    case number:                                                                                   \
        get_##member(cursor, message);                                                             \
        break;
        WIRE_MESSAGES(GET_BODY)
#undef GET_BODY
    }
}

static void put_body(struct cursor *cursor, const struct wire_message *message)
{
    switch (message->type) {
#define PUT_BODY(NAME, member, number, descriptors, senders, FIELDS)                               \
    case number:                                                                                   \
        put_##member(cursor, message);                                                             \
        break;
        WIRE_MESSAGES(PUT_BODY)
#undef PUT_BODY
    }
}

size_t wire_encode(const struct wire_message *message, void *buffer, size_t size)
{
    const struct type_info *info = type_find(message->type);
    struct cursor header = {.next = buffer, .left = size};
    struct cursor body;
    size_t length;

    if (info == NULL || message->error >= ERRORS || take(&header, WIRE_HEADER) == NULL)
        return 0;
    body = header;
    put_body(&body, message);
    if (body.verdict != WIRE_OK)
        return 0;
    length = size - body.left;
    header = (struct cursor){.next = buffer, .left = WIRE_HEADER};
    put_integer(&header, WIRE_MAGIC, 2);
    put_integer(&header, message->type, 1);
    put_integer(&header, info->fds, 1);
    put_integer(&header, length - WIRE_HEADER, 4);
    put_integer(&header, message->seq, 4);
    put_integer(&header, message->error, 4);
    return length;
}

/* Read a complete header. Sets the length of the body. */
static enum wire_verdict get_header(struct cursor *cursor, struct wire_message *message,
                                    size_t *lengthp)
{
    const struct type_info *info;
    uint64_t magic = get_integer(cursor, 2);

    if (magic != WIRE_MAGIC)
        return WIRE_BAD_MAGIC;
    message->type = (uint8_t)get_integer(cursor, 1);
    message->nfds = (uint8_t)get_integer(cursor, 1);
    *lengthp = get_integer(cursor, 4);
    message->seq = (uint32_t)get_integer(cursor, 4);
    message->error = (uint32_t)get_integer(cursor, 4);
    info = type_find(message->type);
    if (info == NULL)
        return WIRE_BAD_TYPE;
    if (message->nfds != info->fds)
        return WIRE_BAD_FDS;
    if (*lengthp < info->shortest || *lengthp > info->longest)
        return WIRE_BAD_LENGTH;
    if (message->error >= ERRORS)
        return WIRE_BAD_ENUM;
    return WIRE_OK;
}

enum wire_verdict wire_decode(const void *buffer, size_t size, struct wire_message *message,
                              size_t *used)
{
    /* Only read through: the cursor is shared with the encoder. */
    struct cursor cursor = {.next = (uint8_t *)buffer, .left = WIRE_HEADER};
    enum wire_verdict verdict;
    size_t length;

    *used = WIRE_HEADER;
    if (size < WIRE_HEADER)
        /* Garbage should not have to be long to be recognised. */
        return size >= 2 && get_integer(&cursor, 2) != WIRE_MAGIC ? WIRE_BAD_MAGIC : WIRE_MORE;
    verdict = get_header(&cursor, message, &length);
    if (verdict != WIRE_OK)
        return verdict;
    *used = WIRE_HEADER + length;
    if (size < *used)
        return WIRE_MORE;
    cursor.left = length;
    get_body(&cursor, message);
    if (cursor.left > 0)
        fail(&cursor, WIRE_BAD_LENGTH);
    return cursor.verdict;
}

const char *message_type_name(uint8_t type)
{
    const struct type_info *info = type_find(type);

    return info == NULL ? "?" : info->name;
}

const uint8_t message_descriptors[UINT8_MAX + 1] = {
#define DESCRIPTORS(NAME, member, number, descriptors, senders, FIELDS) [number] = (descriptors),
    WIRE_MESSAGES(DESCRIPTORS)
#undef DESCRIPTORS
};

unsigned message_type_senders(uint8_t type)
{
    const struct type_info *info = type_find(type);

    return info == NULL ? 0 : info->by;
}
