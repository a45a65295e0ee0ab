/* The limit on what the contracts of one task may have together, as far as their messages tell. Pure. */
#ifndef PROXY_LIMIT_H
#define PROXY_LIMIT_H

#include <stdbool.h>

#include "wire/message.h"

/* Contracts of a task, and questions about them that are not answered. More are refused. */
#define LIMIT_CONTRACTS 16u

struct limit {
    uint32_t most;  /* 0: no limit */
    uint32_t count; /* of contracts */
    struct {
        uint32_t number;
        uint32_t frames;
    } contract[LIMIT_CONTRACTS];
    uint32_t closings; /* CLOSEs that were not answered */
    struct {
        uint32_t seq;
        uint32_t contract;
    } closing[LIMIT_CONTRACTS];
};

/* What becomes of a request. */
enum limit_verdict {
    LIMIT_PASS,   /* it is passed on, perhaps with fewer frames than it asked for */
    LIMIT_ANSWER, /* `answer` is the reply, and physmem does not hear of it */
};

/* Look at a request of the task, which may be changed. */
enum limit_verdict limit_request(struct limit *limit, struct wire_message *request,
                                 struct wire_message *answer);

/* Look at what physmem says to the task. */
void limit_note(struct limit *limit, const struct wire_message *message);

#endif
