/* The extents behind frames: the table of them, and whose share each counts for.
 *
 * An extent's descriptor, as the core knows it, is a number of service->backing. Its memory is physmem's own, or a lease
 * of the physmem above. A task that can write an extent can hold the kernel's lock on it for ever (see io/errand.h), so
 * what others do with an extent is
 *     reading   what it will hold, once all changes are made
 *     change    clearing, writing and truncating, where nobody waits for it
 *     waiter    tasks that wait for a lease to be ready
 *     clear     pages that are given back, now or later; the end
 *     giving    descriptors for tasks
 *     moving    contents that go from pages to others */
#ifndef PHYSMEM_BACKING_H
#define PHYSMEM_BACKING_H

#include "core/leases/pages.h"

#include "contents.h"
#include "service.h"

/* Extents are shared out by user id, and among the tasks of one user: see base/allotment.h. A task of
 * physmem's own user may have some in any case, if there are any. */
#define BACKING_SHARE_USER 8u
#define BACKING_SHARE_TASK 4u
#define BACKING_SHARE_OWN  8u

/* A task takes an extent only to spread its frames (see physmem_task_extents_needed) as long as for each that it then has
 * so many are left: those that come later find some, too. */
#define BACKING_SHARE_SPREAD 8u

struct backing {
    struct errand errand; /* first */
    struct service *service;
    struct user *user;    /* one reference: whose share it counts for */
    struct seat *seat;    /* one reference */
    struct backing *next; /* among those that change */
    struct backing *prev;
    uint64_t begun_ns; /* when the change under way was submitted */
    int fd;
    int reading;                /* a descriptor for tasks that may only read; -1: not opened yet */
    int error;                  /* of the change that has ended */
    void *holes;                /* its mapping for os/holes.h; NULL: none */
    struct lease *lease;        /* NULL: the memory is physmem's own */
    uint32_t handle;            /* of the extent */
    uint32_t pages;             /* that the memory has, and its task is told of */
    struct waiter *waiters;     /* for the lease to be ready */
    bool given;                 /* somebody else has had a descriptor */
    bool changing;              /* the errand is under way */
    bool holds;                 /* replies to its task wait until all changes are made */
    bool later;                 /* all that is in `clear` can wait */
    struct backing *next_later; /* among those with pages that are cleared later */
    struct backing *prev_later;
    uint32_t cut; /* the memory ends before this page; 0: it is whole */
    bool cuts;    /* that is still to be done */
    uint32_t end; /* for the errand: `cut`, or all pages */
    bool cutting; /* the errand cuts it there */
    bool doomed;  /* must be truncated and closed after that */
    bool closed;
    bool late;                    /* its task was ended for it */
    uint64_t clear[PAGES_WORDS];  /* pages to clear */
    uint64_t clears[PAGES_WORDS]; /* pages that the errand clears */
    struct contents *fill;        /* to write, in this order */
    struct contents *fills;       /* that the errand writes, after it has cleared */
};

/* PHYSMEM_EXTENT_CREATE. */
void backing_make(struct service *service, const struct physmem_effect *effect);

/* The extent of this descriptor, as the core knows it. */
struct backing *backing_at(struct service *service, uint32_t descriptor);

/* The extent that an effect is about. */
struct backing *backing_of(struct service *service, const struct physmem_effect *effect);

/* Nobody can find it by this number any more, which is free. */
void backing_forget(struct service *service, uint32_t descriptor);

/* Free an extent whose memory is truncated and closed: it counts for its user's share no more. */
void backing_free(struct backing *backing);

/* The handle of the extent of a backing that owns a lease. */
uint32_t backing_extent(const void *owner);

/* Say that something cannot be done to an extent, for a negative errno. */
void backing_complain(struct service *service, const char *what, int64_t code);

/* Free the table. Extents that are not back yet are left behind. */
void backing_fini(struct service *service);

#endif
