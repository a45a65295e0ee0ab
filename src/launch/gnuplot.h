/* Having gnuplot draw a picture. */
#ifndef LAUNCH_GNUPLOT_H
#define LAUNCH_GNUPLOT_H

#include <stdio.h>

#include <selfpage/error.h>

/* Begin a script for a picture in the file `path`, whose name ends in .svg, or else is drawn as PNG.
 * Returns where to write the rest, for gnuplot_draw; NULL without memory, and `error` is set. */
FILE *gnuplot_begin(const char *path, unsigned width, unsigned height, struct sp_error *error);

/* Run the script and close it. Returns 0, -ENOENT (gnuplot is not installed), -ENOMEM, -ETIMEDOUT or
 * -EIO (it failed; what it says is on standard error). */
int gnuplot_draw(FILE *consume_script, struct sp_error *error);

#endif
