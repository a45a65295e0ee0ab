/* The policy server's loop: one thread; it looks at the table when its timer fires and when physmem
 * rings, and says what has changed. */
#ifndef POLICYSERVER_SERVICE_H
#define POLICYSERVER_SERVICE_H

#include <uv.h>

#include "adapter/arbiter.h"
#include "client/caller.h"
#include "io/log.h"
#include "options.h"
#include "os/shared.h"
#include "rounds/rounds.h"
#include "sharing.h"

struct service {
    const struct policyserver_options *options;
    struct log log;
    /* To physmem. It may wait for physmem while the program starts; after that only for its socket to
     * take a message: physmem never waits for this program. */
    struct caller physmem;
    struct sharing sharing; /* swap */
    struct limit *limits;   /* that were sent last */
    uint32_t limits_count;
    struct arbiter_handle arbiter; /* used if options->arbiter is given */
    struct shared table;
    struct rounds rounds;
    uint32_t limits_seq;    /* of LIMITS that is not answered yet; 0: none */
    uint32_t hand_over_seq; /* of HAND_OVER not answered yet: the table is no longer written */
    uint32_t successor;     /* its process */
    bool rung;              /* physmem waits for ENTITLED */
    bool ready;             /* has said so */
    bool started;           /* the handles below exist */
    bool giving_back;       /* a signal has asked it to end: it waits for its limits to be gone */
    bool stopping;
    bool failed;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_signal_t hangup;
    uv_signal_t terminate;
    uv_signal_t interrupt;
};

/* Take control, possibly after waiting for the server that has it, and set the limits; then start
 * on `loop`. Returns 0, or a negative errno with a text; run the loop and call service_fini in both
 * cases. */
int service_start(struct service *service, uv_loop_t *loop,
                  const struct policyserver_options *options, struct sp_error *error);

/* Free everything after the loop has ended. */
void service_fini(struct service *service);

#endif
