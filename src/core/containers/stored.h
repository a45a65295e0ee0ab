/* Pages that physmem has had stored by a swap server, and which tasks may have them back.
 *
 * A page is written once, in the account of the task that asked first: its slot is one of that account's at the
 * swap server. Any number of references name the page, of that task and of others, since one page in memory can
 * be shown by slots of several containers. A reference is what a task has: a number, good once.
 *
 *     store (task a)          store (task b, the same page)      load or drop, by each
 *     page, reference of a -> reference of b                  -> the last one frees the page
 *
 * WHO PAYS. Each reference costs its task one slot of its own account, though only one slot is written: what a
 * task has in swap counts for it, whoever else has the same. The slot of the page itself is in the account of the
 * task that had it written first. If that task gives its references up before others do, the page is left behind:
 * it stays there, and goes on to cost that account a slot, until the last of the others has gone. An account lives
 * as long as it has references or pages, its task or not.
 *
 *     charge of an account  ==  its references + pages left behind in it
 *
 * HOW MUCH. Numbers of references and of pages are limited, and what all accounts of one user have of each is bounded by
 * what is left of them (base/allotment.h): a user that has very much stored does not keep others from storing something.
 *
 * If the swap server loses an account, that account costs nothing any more; what is referred to or stored from then on
 * does.
 *
 * A page may be shown by memory at the same time (a page of a clean extent that never changes): then it can be had
 * without a load.
 *
 * INVARIANTS (stored_check):
 *     page.references      == references that name it;  page.own == those of its account
 *     account.references   == references of the account; account.pages == pages in it
 *     user.references, .pages == the sums over its accounts
 *     account.left         == pages in it with own == 0
 *     account.charge       == its references and pages left behind that are charged
 *     a page without references is being written
 *     *page.shown          == page.handle, where the page is shown by memory
 *
 * Pure; memory from the allocator that stored_init got. Not for several threads at once. */
#ifndef CORE_CONTAINERS_STORED_H
#define CORE_CONTAINERS_STORED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/allocator.h"
#include "base/handles.h"

/* A page that has no slot. */
#define STORED_NOWHERE UINT32_MAX

enum stored_state {
    STORED_WRITING, /* its slot is not known yet */
    STORED_THERE,
    STORED_LOST, /* it could not be written, or its slot is gone: only memory may still show it */
};

struct stored_page;
struct stored_reference;

/* What all accounts of one user have together. */
struct stored_user {
    struct stored_user *next;
    uint32_t uid;
    uint32_t accounts;
    uint32_t references;
    uint32_t pages;
};

/* What one task has in swap. */
struct stored_account {
    struct stored_user *user;
    uint32_t handle;
    uint32_t references;
    uint32_t pages;
    uint32_t left;
    uint32_t charge;  /* slots that it must have reserved */
    uint32_t asked;   /* of these, those that the swap server is asked for now, ... */
    uint32_t denied;  /* ... and those that it has refused: they need not be given back */
    uint32_t loading; /* of its pages, those on their way to memory: for its maker */
    bool storing;     /* it was asked, and has not answered */
    void *task;       /* NULL: it has gone; for the maker of the account */
    struct stored_reference *first;
    struct stored_page *first_page;
    struct stored_account *next; /* of all */
    struct stored_account *prev;
};

struct stored_page {
    struct stored_account *account;
    struct stored_page *next; /* of the account */
    struct stored_page *prev;
    uint32_t handle;
    uint32_t slot;
    uint32_t references;
    uint32_t own;    /* of these, references of its account */
    uint32_t extent; /* that shows it in memory, at page `offset`; 0: none */
    uint32_t offset;
    uint32_t *shown; /* the number of that page of memory */
    uint32_t waiter; /* account whose task has waited longest: for its maker, ... */
    uint64_t turn;   /* ... with the number of its request */
    uint8_t state;   /* enum stored_state */
    bool charged;    /* it costs its account a slot: only with own == 0 */
    bool loading;    /* a load is under way: for the maker of the page */
};

struct stored_reference {
    struct stored_account *account;
    struct stored_page *page;
    struct stored_reference *next; /* of the account */
    struct stored_reference *prev;
    uint64_t serial; /* never given twice, as handles are */
    bool charged;
    uint32_t handle;
};

struct stored {
    const struct allocator *allocator;
    struct handles accounts;
    struct handles pages;
    struct handles references;
    struct stored_account *first;
    struct stored_user *users;
    uint32_t most;       /* of pages, and of references, that there may be */
    uint32_t count;      /* of pages */
    uint32_t referenced; /* references in all */
    uint64_t serials;    /* the last one given */
};

/* What the swap server must be told when a reference has gone. */
struct stored_freed {
    uint32_t account; /* handle of the account of the page */
    uint32_t slot;    /* of it, to be freed; STORED_NOWHERE: none */
    uint32_t refund;  /* slots that this account need not reserve any longer: 0 or 1 */
    uint32_t holder;  /* handle of the reference's account */
    uint32_t back;    /* the same for it; 0 if it is the same account */
};

/* An empty table. */
void stored_init(struct stored *stored, const struct allocator *allocator);

/* Free everything, whatever is in it. */
void stored_fini(struct stored *stored);

/* An account for a task of this user; NULL without memory. */
struct stored_account *stored_account_new(struct stored *stored, void *task, uint32_t uid);

/* End an account that has neither references nor pages. */
void stored_account_end(struct stored *stored, struct stored_account *account);

/* Whether the account's user may have so many references more, and as many pages. */
bool stored_may_refer(const struct stored *stored, const struct stored_account *account,
                      uint32_t count);

/* A page that is to be written in an account. It has no reference yet. NULL without memory. */
struct stored_page *stored_page_new(struct stored *stored, struct stored_account *account);

/* One more reference to a page. *chargep is increased by the slots that its account must reserve for it: 0 or 1.
 * NULL without memory. */
struct stored_reference *stored_refer(struct stored *stored, struct stored_account *account,
                                      struct stored_page *page, uint32_t *chargep);

/* The reference of this number, if the account has it; NULL if not. Any number may be asked. */
struct stored_reference *stored_find(const struct stored *stored,
                                     const struct stored_account *account, uint32_t reference);

/* A reference goes, and with the last one the page, unless it is being written. */
struct stored_freed stored_release(struct stored *stored, struct stored_reference *reference);

/* A page was written to this slot; STORED_NOWHERE: it could not be. False: nobody has it any more, and it is freed
 * now: *freed says what the swap server must be told. */
bool stored_written(struct stored *stored, struct stored_page *page, uint32_t slot,
                    struct stored_freed *freed);

/* A page of memory, which never changes, shows a stored page from now on: *numberp, of the page of memory, is its
 * handle. Only one page of memory does. *numberp must stay where it is until stored_hide. */
void stored_show(struct stored_page *page, uint32_t *numberp, uint32_t extent, uint32_t offset);

/* The page of memory goes: *numberp, which may be 0, becomes 0. */
void stored_hide(struct stored *stored, uint32_t *numberp);

/* All slots of an account are gone, but for those that are being written; nothing of it is charged any more. Returns
 * how many pages are lost. */
uint32_t stored_lose(struct stored_account *account);

/* NULL if all books agree, else what does not. */
const char *stored_check(const struct stored *stored);

#endif
