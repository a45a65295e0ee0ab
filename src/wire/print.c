/* Messages, verdicts and reasons in words. */
#include "wire/message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Elements of a list that are shown. */
#define SHOWN 4u

/* Text that grows until the buffer is full. */
struct printer {
    char *buffer;
    size_t size;
    size_t length; /* without the NUL, at most size - 1 */
    bool first;    /* in its braces is the next field */
};

static void print(struct printer *printer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void print(struct printer *printer, const char *format, ...)
{
    size_t left = printer->size - printer->length;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(printer->buffer + printer->length, left, format, arguments);
    va_end(arguments);
    if (length > 0)
        printer->length += (size_t)length < left ? (size_t)length : left - 1;
}

/* A string field, which need not be legal. */
static void print_string(struct printer *printer, const char *text, size_t size)
{
    size_t i;

    for (i = 0; i < size && text[i] != '\0'; i++)
        print(printer, "%c", text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

static void print_number(struct printer *printer, const char *name, uint64_t value)
{
    print(printer, "%s%s=%" PRIu64, printer->first ? "" : " ", name, value);
    printer->first = false;
}

#define PRINT_F(type, name)  print_number(printer, #name, body->name);
#define PRINT_E(name, limit) print_number(printer, #name, body->name);

/* Elements: print_list_range(printer, array, count) and its like. */
#define PRINT_ELEMENT(element, FIELDS)                                                             \
    static void print_list_##element(struct printer *printer, const struct wire_##element *body,   \
                                     unsigned count)                                               \
    {                                                                                              \
        unsigned i;                                                                                \
                                                                                                   \
        for (i = 0; i < count && i < SHOWN; i++, body++) {                                         \
            print(printer, i == 0 ? "{" : " {");                                                   \
            printer->first = true;                                                                 \
            FIELDS(PRINT_F, PRINT_E)                                                               \
            printer->first = false;                                                                \
            print(printer, "}");                                                                   \
        }                                                                                          \
        if (count > SHOWN)                                                                         \
            print(printer, " ...");                                                                \
    }
WIRE_ELEMENTS(PRINT_ELEMENT)
#undef PRINT_ELEMENT

#define PRINT_S(name, size)                                                                        \
    print(printer, " " #name "=\"");                                                               \
    print_string(printer, body->name, size);                                                       \
    print(printer, "\"");
#define PRINT_L(element, name, max)                                                                \
    print(printer, " " #name "=%u[", (unsigned)body->name##_count);                                \
    print_list_##element(printer, body->name, body->name##_count);                                 \
    print(printer, "]");

#define PRINT_BODY(NAME, member, number, descriptors, FIELDS)                                      \
    static void print_##member(struct printer *printer, const struct wire_message *message)        \
    {                                                                                              \
        const __typeof__(message->member) *body = &message->member;                                \
        FIELDS(PRINT_F, PRINT_E, PRINT_S, PRINT_L)                                                 \
    }
WIRE_MESSAGES(PRINT_BODY)
#undef PRINT_BODY

size_t wire_print(const struct wire_message *message, char *buffer, size_t size)
{
    struct printer printer = {.buffer = buffer, .size = size};

    if (size == 0)
        return 0;
    buffer[0] = '\0';
    print(&printer, "%s seq=%" PRIu32, wire_type_name(message->type), message->seq);
    if (message->error != 0)
        print(&printer, " error=%" PRIu32, message->error);
    switch (message->type) {
#define PRINT_CASE(NAME, member, number, descriptors, FIELDS)                                      \
    case number:                                                                                   \
        print_##member(&printer, message);                                                         \
        break;
        WIRE_MESSAGES(PRINT_CASE)
#undef PRINT_CASE
    default:
        print(&printer, " type=%u", (unsigned)message->type);
    }
    return printer.length;
}

const char *wire_verdict_text(enum wire_verdict verdict)
{
    switch (verdict) {
    case WIRE_OK:
        return "a legal message";
    case WIRE_MORE:
        return "an unfinished message";
    case WIRE_BAD_MAGIC:
        return "no message of this protocol (wrong magic)";
    case WIRE_BAD_TYPE:
        return "unknown type";
    case WIRE_BAD_LENGTH:
        return "a length that does not fit the type";
    case WIRE_BAD_FDS:
        return "a number of descriptors that does not fit the type";
    case WIRE_BAD_ENUM:
        return "a value out of range";
    case WIRE_BAD_COUNT:
        return "a list that is too long";
    case WIRE_BAD_STRING:
        return "a string that is not terminated, padded printable ASCII";
    }
    return "unknown verdict";
}

const char *wire_reason_text(uint8_t reason)
{
    switch ((enum sp_reason)reason) {
    case SP_REASON_NONE:
        return "no reason";
    case SP_REASON_OVERCOMMITTED:
        return "the sum of guarantees would exceed the frames there are";
    case SP_REASON_ZERO_TERM:
        return "a term of zero";
    case SP_REASON_ZERO_FRAMES:
        return "no frames asked for";
    case SP_REASON_MIN_ABOVE_FRAMES:
        return "the fewest frames worth having are more than those wished for";
    case SP_REASON_UNKNOWN_KIND:
        return "unknown kind of contract";
    case SP_REASON_LONG_TERM:
        return "the term is longer than physmem gives";
    case SP_REASON_ORDER:
        return "there are no blocks of that order, or the frames are no whole number of them";
    case SP_REASON_TOO_MANY:
        return "the task holds as many contracts as it may";
    case SP_REASON_RECALL_MISSED:
        return "a recall was not answered by its deadline";
    case SP_REASON_NOT_RECEIVING:
        return "the task does not receive what it is sent";
    case SP_REASON_OVERDRAFT:
        return "more memory was touched than the books allow";
    case SP_REASON_UNMAP_MISSED:
        return "an unmap was not answered by its deadline";
    case SP_REASON_ADMINISTRATOR:
        return "asked for by the administrator";
    case SP_REASON_PART:
        return "a part has the term of the contract it was split off from, and cannot grow";
    case SP_REASON_PART_CLAIMED:
        return "the part was claimed";
    case SP_REASON_PART_RETURNED:
        return "the part has come back";
    case SP_REASON_REABSORBED:
        return "reabsorbed by the task that split it off";
    case SP_REASON_ABOVE_ENDED:
        return "the contract that this was split off from has ended";
    case SP_REASON_NOT_ENTITLED:
        return "more than the policy server allows the task or its user";
    case SP_REASONS:
        break;
    }
    return "unknown reason";
}
