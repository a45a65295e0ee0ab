/* The curves of `selfpage replay --curve`: miss ratios at many sizes. */
#ifndef SELFPAGE_REPLAY_CURVE_H
#define SELFPAGE_REPLAY_CURVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <selfpage/error.h>

#include "launch/gnuplot.h"
#include "selfpage/replay/options.h"

struct curve_point {
    uint32_t frames;
    double miss_ratio;
    double error; /* of the miss ratio: standard error, and the bias of sampling; 0: exact */
};

struct curve {
    const char *label; /* of the policy */
    bool sampled;
    struct curve_point *points;
    size_t count;
};

struct curves {
    struct curve *curves;
    size_t count;
    uint64_t references;
    uint32_t pages;
    const char
        *baseline; /* miss ratios are differences to those of this policy; NULL: they are none */
};

/* Read the trace and find the curves of all policies, and of belady as the floor where the trace
 * can be read twice. Release with curve_fini in any case. */
int curve_run(const struct replay_options *options, struct curves *curves, struct sp_error *error);

void curve_fini(struct curves *curves);

/* Write curves to the file `path`, in the format that its extension says: csv, or a picture of that
 * look by gnuplot. What was there stays until all is written. Returns 0 or a negative errno. */
int plot_write(const struct curves *curves, const char *path, const struct gnuplot_look *look,
               struct sp_error *error);

/* True if the file's name says that it is csv, and no picture. */
bool plot_is_csv(const char *path);

/* Write a csv file by `write`, which returns 0 or a negative errno; what was there stays until then. */
int plot_write_csv(const char *path, int (*write)(FILE *out, const void *what), const void *what,
                   struct sp_error *error);

/* The same beside the picture `path`, if `look` asks for what pictures are drawn from. */
int plot_write_beside(const char *path, const struct gnuplot_look *look,
                      int (*write)(FILE *out, const void *what), const void *what,
                      struct sp_error *error);

/* 0 if no file that plot_write_beside would write is `input`, a path or "-"; else -EINVAL. */
int plot_check_beside(const char *path, const char *input, const struct gnuplot_look *look,
                      struct sp_error *error);

/* 0 if `path` has an extension that plot_write knows, the look is possible, and `input`, a path or "-",
 * is another file; else -EINVAL. */
int plot_check_path(const char *path, const char *input, const struct gnuplot_look *look,
                    struct sp_error *error);

#endif
