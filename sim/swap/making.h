/* A job is made from a message, and given up at its end. On the loop. */
#ifndef SWAP_MAKING_H
#define SWAP_MAKING_H

#include "service.h"

/* Memory for a job of so many pages, to be freed; NULL: there is none. */
struct swap_job *making_allocate(uint32_t pages);

/* The job of a STORE, LOAD, FREE or RESERVE, with a reference of the session and of each extent; NULL without memory. Where
 * the service is not threaded it is the one that is reused. */
struct swap_job *making_from_message(struct swap_session *session,
                                     const struct wire_message *message);

/* Its pages are copied by way of this part of the service's buffers. */
void making_set_buffer(struct swap_job *job, uint8_t *buffer);

/* Give up what a job refers to, its buffer, and the job itself unless it is the one that is reused. */
void making_end(struct swap_job *job);

/* Give up a reference of a session. */
void making_session_unref(struct swap_session *session);

#endif
