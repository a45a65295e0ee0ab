/* Numbers in memory that the task pages by itself. */
#ifndef TABLE_H
#define TABLE_H

#include <selfpage/selfpage.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A task that fills a table of `*pages` pages, and reads it again. For sp_testing_run, and for main: returns 0 if all
 * numbers were there, 1 if not, 2 if it could not run; then it says why on standard error. */
int table_fill(void *pages);

#ifdef __cplusplus
}
#endif
#endif
