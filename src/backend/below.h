/* What filters share: the two parts of their place, and the backend below them. */
#ifndef BACKEND_BELOW_H
#define BACKEND_BELOW_H

#include "backend/swap_backend.h"
#include "base/params.h"

/* The backend that a filter stands in front of. All zeros: none is open. */
struct below {
    const struct swap_backend *backend;
    void *device;
    struct swap_backend_facts facts;
};

/* The device below a filter whose place is "[NAME=VALUE,...:]DEVICE": a pointer into `place`. Options are
 * there if a = stands before the first colon. */
const char *below_device(const char *place);

/* Read the options at the head of a place into `values`, which has PARAMS_MAX elements. `owner` is the
 * filter's name. Returns 0 or a negative errno with a text, as params_parse. */
int below_options(const char *owner, const struct sp_policy_param *params, const char *place,
                  double *values, struct sp_error *error);

/* Open the device that `device` names, for a filter with `wish`, with `pages` pages. Returns 0, or a negative
 * errno with a text; below is then all zeros. */
int below_open(struct below *below, const struct swap_backend_wish *wish, const char *device,
               uint32_t pages, struct sp_error *error);

/* Finish it; below->facts is then complete. */
int below_finish(struct below *below, struct sp_error *error);

/* Hand these on, if the backend has them. */
void below_discard(const struct below *below, uint32_t page, uint32_t count);
void below_count(const struct below *below, struct swap_backend_counts *counts);

/* Close it, if it is open. */
void below_close(struct below *below);

#endif
