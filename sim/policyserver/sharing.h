/* The policy server's connection to a swap server, which it tells what clients may have of slots and bandwidth. Its loop does
 * not wait for swap: a swap server that goes, or hangs, takes nothing away from what physmem is told. One that comes back is
 * told again. */
#ifndef POLICYSERVER_SHARING_H
#define POLICYSERVER_SHARING_H

#include <stdbool.h>

#include <uv.h>

#include "client/caller.h"
#include "core/contracts/limit.h"
#include "io/log.h"

struct sharing {
    const char *path; /* of swap's socket; NULL: there is no swap to control */
    struct log *log;
    void (*on_answer)(void *context); /* swap has answered, or is gone */
    void *context;
    struct caller swap;
    uint32_t control_seq; /* of GET_CONTROL not answered yet; 0: none */
    uint32_t limits_seq;  /* of LIMITS not answered yet */
    bool there;           /* there is a connection */
    bool handed;          /* another policy server has control of it now */
    bool refused;         /* it was said in the log that swap cannot be controlled */
    bool watched;         /* `poll` is open, or closing */
    uv_poll_t poll;
};

/* `path` and `log` are borrowed. */
void sharing_init(struct sharing *sharing, const char *path, struct log *log,
                  void (*on_answer)(void *context), void *context);

/* Take control, and wait for it: with `wait` until the policy server that has it is gone, or hands it over. Returns 0, or a
 * negative errno with a text. */
int sharing_take(struct sharing *sharing, bool wait, struct sp_error *error);

/* Say what clients may have. Nothing if swap is not there, or another one has control. */
void sharing_tell(struct sharing *sharing, const struct limit *limits, uint32_t count);

/* Wait until what was told is in force, or was refused, as the log says. */
void sharing_await(struct sharing *sharing);

/* Watch the connection on this loop. Returns 0 or libuv's error. */
int sharing_watch(struct sharing *sharing, uv_loop_t *loop);

/* If swap was lost and is there again: take control of it, and tell it this. */
void sharing_return(struct sharing *sharing, uv_loop_t *loop, const struct limit *limits,
                    uint32_t count);

/* Close the connection. The loop has to run once more. */
void sharing_close(struct sharing *sharing);

#endif
