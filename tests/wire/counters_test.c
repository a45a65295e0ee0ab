/* The tables of selfpage/counters.h: one name has one meaning, and a STATUS reply carries each
 * counter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "wire/message.h"

struct row {
    const char *table;
    const char *name;
    const char *unit;
    const char *meaning;
};

static const struct row rows[] = {
#define ROW(type, name, unit, meaning) {"task", #name, unit, meaning},
    SP_TASK_COUNTERS(ROW, ROW)
#undef ROW
#define ROW(type, name, unit, meaning)   {"task status", #name, unit, meaning},
#define STATE(name, list, unit, meaning) {"task status", #name, unit, meaning},
        SP_TASK_STATUS(ROW, STATE)
#undef ROW
#undef STATE
#define ROW(type, name, unit, meaning)   {"physmem", #name, unit, meaning},
#define STATE(name, list, unit, meaning) {"physmem", #name, unit, meaning},
            SP_PHYSMEM_STATUS(ROW, STATE)
#undef ROW
#undef STATE
#define ROW(type, name, unit, meaning) {"swap", #name, unit, meaning},
                SP_SWAP_STATUS(ROW, ROW)
#undef ROW
#define ROW(type, name, unit, meaning) {"fileserver", #name, unit, meaning},
                    SP_FILESERVER_STATUS(ROW, ROW)
#undef ROW
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* These say different things of different servers: swap reads from its device, and physmem refuses proposals. */
static bool is_of_its_server(const char *name)
{
    return strcmp(name, "reads") == 0 || strcmp(name, "writes") == 0 ||
           strcmp(name, "refused") == 0;
}

static void expect_one_meaning(const struct row *a, const struct row *b)
{
    if (strcmp(a->name, b->name) != 0)
        return;
    if (strcmp(a->table, b->table) == 0)
        fail_msg("%s is twice in the table of %s", a->name, a->table);
    if (strcmp(b->table, "fileserver") == 0 && is_of_its_server(b->name))
        return;
    if (strcmp(a->unit, b->unit) != 0 || strcmp(a->meaning, b->meaning) != 0)
        fail_msg("%s means \"%s %s\" in the table of %s, and \"%s %s\" in that of %s: "
                 "one of them needs another name",
                 a->name, a->unit, a->meaning, a->table, b->unit, b->meaning, b->table);
}

static void a_name_has_one_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < i; k++)
            expect_one_meaning(&rows[k], &rows[i]);
}

static void a_counter_has_a_unit_and_a_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(strlen(rows[i].unit) > 0);
        assert_true(strlen(rows[i].meaning) > 0);
    }
}

static void a_status_reply_carries_each_counter(void **state)
{
    struct wire_message sent = {.type = WIRE_PHYSMEM_STATUS, .seq = 1}, got = {.type = 0};
    unsigned char buffer[WIRE_MESSAGE_MAX];
    uint32_t number = 0;
    size_t size, used;

    (void)state;
#define FILL(type, name, unit, meaning)       sent.physmem_status.name = ++number;
#define FILL_STATE(name, list, unit, meaning) sent.physmem_status.name = WIRE_COUNT(list) - 1;
    SP_PHYSMEM_STATUS(FILL, FILL_STATE)
    size = wire_encode(&sent, buffer, sizeof(buffer));
    assert_int_equal(wire_decode(buffer, size, &got, &used), WIRE_OK);
#define CHECK(type, name, unit, meaning)                                                           \
    assert_int_equal(got.physmem_status.name, sent.physmem_status.name);
#define CHECK_STATE(name, list, unit, meaning)                                                     \
    assert_int_equal(got.physmem_status.name, WIRE_COUNT(list) - 1);
    SP_PHYSMEM_STATUS(CHECK, CHECK_STATE)
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_meaning),
        cmocka_unit_test(a_counter_has_a_unit_and_a_meaning),
        cmocka_unit_test(a_status_reply_carries_each_counter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
