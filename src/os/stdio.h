/* Standard input, output and error. */
#ifndef OS_STDIO_H
#define OS_STDIO_H

#include <stdio.h>

/* Open /dev/null as whichever of descriptors 0 to 2 is closed, so that no socket or file gets such
 * a number. It is open for reading only: what a program writes there is an error (EBADF), as with a
 * closed descriptor, and does not vanish. To be called first in main. Returns 0 or a negative errno. */
int stdio_fill(void);

/* Write what `file` still holds. Returns 0, or a negative errno if anything that was ever printed there was lost. */
int stdio_finish(FILE *file);

/* The same for standard output. To be called last in main, whatever came before. */
int stdio_flush(void);

#endif
