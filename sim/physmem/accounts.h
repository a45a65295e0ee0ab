/* Accounts: what tasks have in swap through physmem. Each is a client of the swap server, with a connection of its own,
 * on which it counts for its task's user (ACCOUNT). It is opened when something is first stored.
 *
 * What is asked on it, and not answered, stands in its list. Answers to what an operation has asked go to whoever began
 * it; here are those to what concerns the account itself: its greeting, and what it gives back because nobody needs it.
 *
 * A connection that ends takes all that was stored over it along: the core is told, what was asked fails, and the next
 * store makes another. An account for which something is late (accounts_is_late) can be asked nothing that waits. */
#ifndef PHYSMEM_ACCOUNTS_H
#define PHYSMEM_ACCOUNTS_H

#include "operations.h"
#include "swap_line.h"

/* The number of an account's own extent at the swap server. Those of the core are handles, which are never 0. */
#define ACCOUNTS_STAGING 0u

/* What was asked, and not answered. */
enum asked { ASKED_HELLO, ASKED_ACCOUNT, ASKED_RESERVE, ASKED_STORE, ASKED_LOAD, ASKED_FREE };

struct ask {
    struct ask *next;
    struct operation *operation; /* NULL: of the account itself */
    uint32_t seq;
    uint32_t count;
    uint8_t what;              /* enum asked */
    uint8_t place[WIRE_BATCH]; /* in the operation, of each page */
};

struct account {
    struct account *next, *prev;
    struct account *next_dirty;
    struct accounts *accounts;
    struct user *user; /* one reference: whose share it counts for, after its task has gone, too */
    struct swap_line *line; /* NULL: there is no connection */
    struct ask *asks;       /* oldest first */
    uint32_t handle;        /* of the core */
    uint32_t *unneeded;     /* slots to be freed */
    uint32_t unneeded_count;
    uint32_t unneeded_room;
    uint32_t refund;  /* slots to be reserved no longer, after that */
    int staging;      /* its own extent of PHYSMEM_SWAP_MAX pages; -1: not made yet */
    uint32_t freeing; /* such requests that were not answered */
    bool dirty;       /* something is to be given back */
    char name[WIRE_NAME];
};

struct accounts {
    struct operations *operations;
    /* The answer to what an operation has asked; it need not be the one that was hoped for. */
    void (*on_answer)(struct account *account, const struct ask *asked,
                      const struct wire_message *message);
    struct swap_lines lines;
    struct account *first;
    struct account *dirty;
    struct account **place; /* by handle, without its generation */
    uint32_t places;
    uint32_t count; /* of accounts, ... */
    uint32_t most;  /* ... and how many there may be, of which each user has a share */
    bool stopped;
};

/* No accounts, and at most `most` later, of which each user has a share. `path` is that of the swap server's socket. */
void accounts_init(struct accounts *accounts, struct operations *operations, const char *path,
                   uint32_t most,
                   void (*on_answer)(struct account *account, const struct ask *asked,
                                     const struct wire_message *message));

/* The account of this handle; NULL: there is none. */
struct account *accounts_find(const struct accounts *accounts, uint32_t handle);

/* An account for a task. Returns 0, -ENOMEM, or -EMFILE: its user has its share of them. */
int accounts_new(struct accounts *accounts, const struct physmem_task *task, uint32_t handle,
                 struct account **accountp);

/* Connect an account that is not. Returns 0 or a negative errno. */
int accounts_connect(struct account *account);

/* Whether the swap server has not answered yet what was given up. */
bool accounts_is_late(const struct account *account);

/* Send a request on the account's connection, which must exist. `place` has the places of its `count` pages in the
 * operation, which waits for the answer. Returns 0, or -ENOMEM if it was not sent; the operation does not wait then. */
int accounts_ask(struct account *account, struct wire_message *message, enum asked what,
                 struct operation *operation, const uint8_t *place, uint32_t count);

/* So many reservations, and this slot, unless it is none, are to be given back (accounts_give_back, accounts_flush). The
 * account must have a connection, which is lost without memory. */
void accounts_return(struct account *account, uint32_t slot, uint32_t refund);

/* Give back what nobody needs. It is on its way before anything that is asked for later, unless there is very much of
 * it. Without memory the connection is lost. */
void accounts_give_back(struct account *account);

/* Give back what nobody needs of all accounts. */
void accounts_flush(struct accounts *accounts);

/* The core has no use for an account any more: free it. What was asked fails. */
void accounts_end(struct account *account);

/* A failed answer of the swap server, as an errno value; 0: it is the answer that was expected. */
uint32_t accounts_error(const struct wire_message *message, enum wire_type expected);

/* Close all connections, and make no more; to be called from the loop. */
void accounts_stop(struct accounts *accounts);

/* Free all after the loop has ended. */
void accounts_fini(struct accounts *accounts);

#endif
