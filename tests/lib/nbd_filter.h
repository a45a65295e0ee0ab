/* nbdkit behind one of its filters, for tests of what stands in front of a block server that is slow, stands still now and
 * then, has little bandwidth, or fails one request in twenty. These functions use CMocka's asserts. */
#ifndef TEST_NBD_FILTER_H
#define TEST_NBD_FILTER_H

#include "nbd_server.h"

struct nbd_filter {
    struct nbd_server server;
    struct scratch scratch; /* of the socket by which requests are held back */
    char control[100];
    char parameter[120];
    pid_t
        pauser; /* holds requests back for a while, and lets them go, over and over; 0: nobody does */
};

/* The name in SELFPAGE_TEST_NBD_FILTER, or NULL. */
const char *nbd_filter_wanted(void);

/* Start nbdkit with an export of `size` ("8M") in memory, behind the filter of this name: delay, rate, error, pause; NULL:
 * none. What is sent again succeeds. */
void nbd_filter_init(struct nbd_filter *filter, const char *name, const char *size);

/* Kill it, and remove everything. */
void nbd_filter_fini(struct nbd_filter *filter);

#endif
