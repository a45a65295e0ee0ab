/* Standard input, output and error. */
#ifndef OS_STDIO_H
#define OS_STDIO_H

/* Open /dev/null as whichever of descriptors 0 to 2 is closed, so that no socket or file gets such
 * a number; for standard output it cannot be written, so that lost results are an error. What is written there is an error (EBADF), as it is where the descriptor is closed: it
 * must not vanish. To be called first in main. Returns 0 or a negative errno. */
int stdio_fill(void);

/* Write what standard output still holds. To be called last in main, whatever came before. Returns
 * 0, or a negative errno if anything that was ever printed there was lost. */
int stdio_flush(void);

#endif
