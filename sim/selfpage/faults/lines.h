/* A table by lines of source: sites of one line and one region are one. */
#ifndef SELFPAGE_FAULTS_LINES_H
#define SELFPAGE_FAULTS_LINES_H

#include <stddef.h>

#include <selfpage/error.h>

#include "shm/fault_table.h"
#include "symbols/symbols.h"

struct faults_line {
    struct symbols_place place;
    const struct fault_object *object; /* NULL: code that no file has */
    struct fault_site sum;             /* code and stride are those of the site that faults most */
    uint64_t most;                     /* faults of that site */
};

struct faults_lines {
    const struct fault_table *table; /* outlives this */
    struct symbols *symbols;
    struct faults_line *line; /* most faults first */
    size_t count;
    struct symbols_place *made; /* where each row's region was made */
    uint64_t evicted;           /* of all sites */
    const char *without;        /* file of code whose lines cannot be known; NULL: there is none */
    const char *why;
};

/* 0 or -ENOMEM, with an error. Release with lines_fini in any case. */
int lines_make(struct faults_lines *lines, const struct fault_table *table, struct sp_error *error);

/* Bytes of the text of a place, as lines_name writes it, with its NUL. */
#define LINES_NAME_MAX 400

/* The place as people write it: FILE:LINE (FUNCTION), or OBJECT+0xOFFSET. `code` as in the table. */
void lines_name(const struct faults_lines *lines, const struct symbols_place *place, uint64_t code,
                char name[LINES_NAME_MAX]);

void lines_fini(struct faults_lines *lines);

#endif
