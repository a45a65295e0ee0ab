/* The clients of the swap server, and their connections.
 *
 * A client owns slots and extents. It is made by a HELLO without a key, and lives until its last
 * connection has closed; on a kept device it lives on, without extents, as long as it has slots. (A
 * client of a kept device that never comes back to free its slots has them for ever. One that acts for
 * somebody by ACCOUNT, as physmem does for a task, never comes back, and is not remembered.) A session is
 * one connection's state; it outlives the connection while jobs refer to it. */
#ifndef SWAP_CLIENT_H
#define SWAP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/contracts/limit.h"
#include "core/swap/map.h"
#include "core/swap/rota.h"
#include "device.h"
#include "extent_table.h"
#include "io/server.h"
#include "own.h"
#include "index.h"

struct swap_job;

/* Clients with jobs that have not begun: see fair.h. */
struct swap_turns {
    struct rota rota;
    uint32_t jobs;  /* in their queues */
    uint32_t loads; /* of these, those that load */
};

struct client {
    uint64_t key; /* a process that knows it, and is the same user, is this client */
    uint32_t id;
    uint32_t number; /* in the books */
    uid_t uid;
    struct client_owner *owner;
    uint32_t connections;
    uint32_t references;        /* of sessions, and one of the table while it is not gone */
    bool gone;                  /* removed from the table and the books */
    bool passing;               /* a kept device does not remember it */
    struct swap_job *first_job; /* that have not begun, in order */
    struct swap_job *last_job;
    struct rota_client turn;      /* in swap_turns, with the bandwidth that it has */
    struct bandwidth_terms asked; /* its contract for that; all zeros: none */
    struct limits_swap limit;     /* what a policy server lets it have */
    uint32_t loads;               /* jobs in its queue that load */
    uint32_t large, small;        /* buffers of its jobs that have begun */
    uint32_t flying;              /* small loads in flight */
    struct extent_table extents;
    struct own_file *own; /* where its slots lie; NULL: on the device */
    char name[SWAP_INDEX_NAME];
};

/* What all clients of one user have. */
struct client_owner {
    struct client_owner *next;
    uid_t uid;
    uint32_t clients;
    uint32_t reserved; /* slots */
};

/* A user may have one client more: see base/allotment.h. */
#define CLIENT_SHARE 8u

/* All clients, by number. */
struct client_table {
    struct client **client; /* NULL: the number is free */
    uint32_t room;
    uint32_t hint; /* no number below is free */
    uint32_t most; /* numbers are below this */
    uint32_t last_id;
    struct swap_map *map;     /* borrowed */
    struct swap_index *index; /* borrowed; NULL: the device is not kept */
    const struct swap_device
        *device;         /* borrowed; is told of slots that nobody has any more; or NULL */
    uint32_t quota;      /* of each client */
    uint32_t user_quota; /* of all clients of a user together */
    uint32_t capacity;   /* pages a second, of all contracts for bandwidth; 0: there are none */
    uint32_t promised;   /* of these */
    const struct limit *limit; /* borrowed: of the policy server */
    uint32_t limits;
    struct client_owner *owners;
};

struct swap_session {
    struct swap_service *service;
    struct connection *connection; /* NULL once closed */
    struct client *client;         /* one reference; NULL: none, or an observer */
    uint32_t references;           /* the connection's, and one of each job */
    uint32_t jobs;                 /* that have not ended */
    bool greeted;                  /* HELLO has come */
    bool controls;                 /* it is a policy server's: control.h */
};

/* An empty table over `map`, which takes in all clients and slots that `index` (may be NULL)
 * remembers. Returns the number of slots that came back, or -ENOMEM. */
int64_t client_table_init(struct client_table *table, struct swap_map *map,
                          struct swap_index *index, uint32_t quota, uint32_t user_quota);

/* Free all clients; sessions must be gone. The books and the index are left alone. */
void client_table_fini(struct client_table *table);

/* A new client of this user. The caller gets no reference. Returns 0, -EMFILE (too many clients, of
 * this user or in all), -ENOMEM, or an error of the device or of the random source. */
int client_new(struct client_table *table, uid_t uid, const char *name, struct client **clientp);

/* Change the reservation of a client, in the books and in the index. Returns 0, an error of
 * swap_map_reserve, -EDQUOT for the quota of its user, too, or -EIO: the index cannot be written. */
int client_reserve(struct client_table *table, struct client *client, uint32_t add,
                   uint32_t subtract);

/* Give a client this contract for bandwidth in the place of the one that it has. It ends with its last connection.
 * Returns 0, -EOPNOTSUPP (there are none here), -EPERM (the policy server allows less), or an error of bandwidth_judge. */
int client_contract(struct client_table *table, struct client *client,
                    const struct bandwidth_terms *terms);

/* What a policy server lets clients have from now on, `count` limits, which are borrowed until the next call: the most
 * slots that each, and each user, may reserve, in the place of the server's quotas, and bandwidth. What is reserved stays.
 * Contracts for more bandwidth than is allowed are cut down for good. A rate that the server has not left in full is
 * promised as far as it has. Returns 0, or -EOPNOTSUPP: they speak of bandwidth, and there are no contracts for it here;
 * nothing has changed. */
int client_table_limit(struct client_table *table, const struct limit *limits, uint32_t count);

/* A client that has nothing reserved counts for this user from now on, and a kept device does not remember it. Returns 0,
 * -EBUSY (it has slots reserved, or a file of its own), -EMFILE (too many clients of that user), -ENOMEM, or an error of
 * the index. */
int client_account(struct client_table *table, struct client *client, uid_t uid);

/* The client with this key, and, unless it is 0, this id; NULL if there is none. */
struct client *client_find(const struct client_table *table, uint64_t key, uint32_t id);

/* A connection joins a client, and takes a reference. With the first one the client has what bandwidth it is allowed. */
void client_join(struct client_table *table, struct client *client);

/* A connection leaves: with the last one extents go, and the client itself unless it is kept. */
void client_leave(struct client_table *table, struct client *client);

/* Slots that hold pages of this client, or are being written, wherever they lie. */
uint32_t client_used(const struct swap_map *map, const struct client *client);

/* The same of all clients. */
uint32_t client_table_used(const struct client_table *table);

/* If nothing keeps this client any more, remove it from the table and the books. */
void client_settle(struct client_table *table, struct client *client);

/* Give up a reference. */
void client_unref(struct client *client);

#endif
