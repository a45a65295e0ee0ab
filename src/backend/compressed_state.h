/* The state of a device of compressed pages, for the files of compressed.c alone.
 *
 * Locks are taken in the order head_lock, lock; sync_lock is taken alone. No lock but head_lock and sync_lock
 * is held during I/O. */
#ifndef BACKEND_COMPRESSED_STATE_H
#define BACKEND_COMPRESSED_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/below.h"
#include "backend/compressed.h"
#include "backend/space.h"

/* Pages that are packed together. */
#define COMPRESSED_CHUNK 64u

/* A page that takes more bytes is stored as it is. */
#define COMPRESSED_WORTH (SWAP_PAGE / 4 * 3)

/* What one call works with. */
struct worker {
    struct worker *next; /* that nobody uses */
    void *context;       /* of the compressor */
    uint8_t *bytes;      /* COMPRESSED_CHUNK blocks */
};

struct compressed_device {
    struct below below;
    const struct compressor *compressor;
    double value[PARAMS_MAX];
    char how[48];
    bool keep;
    bool sync;
    uint32_t pages;
    uint32_t kept_back;        /* free blocks that only compaction may take */
    uint64_t own_head;         /* bytes of the head that are not the server's */
    pthread_mutex_t head_lock; /* head_read and head_write below, and `order` */
    uint64_t order;            /* of the last record */
    pthread_mutex_t sync_lock; /* a sync is under way; guards sync_broken */
    bool sync_broken;          /* one has failed that the server does not know of */
    pthread_mutex_t lock;      /* guards what follows */
    pthread_cond_t compacted;
    bool compacting;
    uint64_t compactions;
    struct worker *idle;
    struct space space;
};

#endif
