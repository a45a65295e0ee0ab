/* Tables of faults, as tasks have left them in files. */
#ifndef SELFPAGE_FAULTS_TABLES_H
#define SELFPAGE_FAULTS_TABLES_H

#include <stddef.h>

#include <selfpage/error.h>

#include "shm/fault_table.h"

struct tables {
    struct fault_table **table; /* copies, each checked */
    size_t count;
};

/* Read the file, or all files of the directory whose names end in .faults, in the order of their names. An empty
 * *tables grows. 0; -ENOENT: there is none; -EINVAL: a file is no table; or what a system call says; with an
 * error. Release with tables_fini in any case. */
int tables_read(struct tables *tables, const char *path, struct sp_error *error);

void tables_fini(struct tables *tables);

#endif
