/* The counters of selfpage/counters.h as tables that a program can search: for expectations, JSON and
 * help. */
#ifndef SELFPAGE_COMMAND_COUNTERS_H
#define SELFPAGE_COMMAND_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "client/observer/observer.h"

struct counter {
    const char *name;
    const char *unit;
    const char *meaning;
    size_t offset; /* in the object that the table is about */
    size_t size;   /* bytes */
};

struct counter_table {
    const struct counter *rows;
    size_t count;
};

extern const struct counter_table counters_task;        /* of struct sp_stats */
extern const struct counter_table counters_task_status; /* of struct observed_task */
extern const struct counter_table counters_physmem;     /* of struct observed_physmem */
extern const struct counter_table counters_swap;        /* of struct observed_swap */
extern const struct counter_table counters_fileserver;  /* of struct observed_files */

/* The row of this name, or NULL. */
const struct counter *counters_find(const struct counter_table *table, const char *name);

/* The counter's value in `object`, a struct of the kind that its table is about. */
uint64_t counters_value(const struct counter *row, const void *object);

#endif
