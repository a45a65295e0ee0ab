/* Messages, verdicts and reasons in words. */
#include "wire/message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Elements of a list that are shown. */
#define SHOWN 4u

/* The names of an enumeration by value: names_of_WIRE_ROLES and its like. A list that leaves out a
 * value, or has one twice, does not compile. */
#define NAME_OF(constant, value, name) [value] = name,
#define NAMES(first, LIST)                                                                         \
    static const char *const names_of_##LIST[] = {LIST(NAME_OF)};                                  \
    _Static_assert(sizeof(names_of_##LIST) == WIRE_COUNT(LIST) * sizeof(char *),                   \
                   #LIST " has the values from 0 on without a gap");
WIRE_ENUMS(NAMES)
WIRE_PUBLIC_ENUMS(NAMES)
#undef NAMES
#undef NAME_OF

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

/* The value's name, in quotes if it is several words; its number if it is not legal. */
static void print_enum(struct printer *printer, const char *field, uint8_t value,
                       const char *const *names, size_t count)
{
    const char *quote;

    if (value >= count) {
        print_number(printer, field, value);
        return;
    }
    quote = strchr(names[value], ' ') != NULL ? "\"" : "";
    print(printer, "%s%s=%s%s%s", printer->first ? "" : " ", field, quote, names[value], quote);
    printer->first = false;
}

#define PRINT_F(type, name, ...) print_number(printer, #name, body->name);
#define PRINT_E(name, LIST, ...)                                                                   \
    print_enum(printer, #name, body->name, names_of_##LIST, WIRE_COUNT(LIST));

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

#define PRINT_BODY(NAME, member, number, descriptors, senders, FIELDS)                             \
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
    print(&printer, "%s seq=%" PRIu32, message_type_name(message->type), message->seq);
    if (message->error != 0)
        print(&printer, " error=%" PRIu32, message->error);
    switch (message->type) {
#define PRINT_CASE(NAME, member, number, descriptors, senders, FIELDS)                             \
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

const char *print_verdict_text(enum wire_verdict verdict)
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

const char *print_reason_text(uint8_t reason)
{
    return reason < WIRE_COUNT(WIRE_REASONS) ? names_of_WIRE_REASONS[reason] : "unknown reason";
}
