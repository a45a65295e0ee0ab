/* The policy server's table: which task has which row, and when it is written. */
#ifndef CORE_PHYSMEM_ROWS_H
#define CORE_PHYSMEM_ROWS_H

#include "core/physmem/state.h"

/* Make room for `tasks` tasks. Returns 0 or -ENOMEM. */
int rows_reserve(struct physmem *physmem, uint32_t tasks);
void rows_fini(struct physmem *physmem);

/* Use another table: every task gets a row there, with what it was entitled to. Returns 0, -EINVAL or
 * -ENOMEM, and the old one stays. */
int rows_move(struct physmem *physmem, struct control_table *table, uint32_t rows);

/* A task has come: it gets a row, if there is one. */
void rows_task_start(struct physmem *physmem, struct physmem_task *task);

/* The task's row is given back. */
void rows_task_end(struct physmem *physmem, struct physmem_task *task);

/* At the end of every input: write the rows that changed, and ring. */
void rows_publish(struct physmem *physmem);

/* NULL if the table tells what the books say, else what it does not. */
const char *rows_check(const struct physmem *physmem);

#endif
