/* Having gnuplot draw a picture. What was in its file stays until the picture is complete. */
#ifndef LAUNCH_GNUPLOT_H
#define LAUNCH_GNUPLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <selfpage/error.h>

#include "os/new_file.h"

/* How a picture looks; zeros are the defaults. */
struct gnuplot_look {
    const char *title; /* "": none; NULL: what the picture says of itself */
    const char *size;  /* "WIDTHxHEIGHT" in pixels, 96 to the inch */
    const char *font;  /* "NAME" or "NAME,POINTS" */
    bool sources; /* write the script, with its data, beside the picture: FILE.gp for FILE.svg */
};

struct gnuplot {
    FILE *script; /* write the commands that draw here */
    /* Private. */
    struct new_file file;
    int drawn; /* memory that gnuplot draws into */
    const char *path;
    bool sources;
};

/* The longest path of a file beside a picture. */
#define GNUPLOT_PATH 4096u

/* Check that `path` ends in .svg, .png, .pdf or .eps, and that a size and a font are what they should
 * be. -EINVAL, and `error` says which is not. */
int gnuplot_check(const char *path, const struct gnuplot_look *look, struct sp_error *error);

/* Begin a picture in the file `path`, which gnuplot_check has passed, `width` by `height` pixels
 * large unless `look` says otherwise. Returns 0, and the caller must then call gnuplot_draw; or a
 * negative errno: the file cannot be written, or -ENOMEM. */
int gnuplot_begin(struct gnuplot *gnuplot, const char *path, const struct gnuplot_look *look,
                  unsigned width, unsigned height, struct sp_error *error);

/* The path of a file beside a picture: `ending` (".csv") instead of the picture's own. False: it is too long. */
bool gnuplot_beside(const char *path, const char *ending, char beside[GNUPLOT_PATH]);

/* Write a text as gnuplot reads it, in quotes. */
void gnuplot_text(FILE *script, const char *text);

/* Write where the legend stands, of whose names the longest has so many characters: beside the picture, or below
 * it, where the picture would be left too narrow. */
void gnuplot_key(FILE *script, size_t longest);

/* Write the numbers of a horizontal axis from 0 to `most`, with k for thousands, M for millions and so on:
 * 0, 500k, 1M, 1.5M. */
void gnuplot_thousands(FILE *script, uint64_t most);

/* Run the script. Returns 0, -ENOENT (gnuplot is not installed), -ENOMEM, -ETIMEDOUT or -EIO (it
 * failed; what it says is on standard error), or why the picture, or the script beside it, could not be written. */
int gnuplot_draw(struct gnuplot *gnuplot, struct sp_error *error);

#endif
