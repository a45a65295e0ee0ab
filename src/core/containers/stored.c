#include "core/containers/stored.h"

#include <string.h>

#include "base/allotment.h"
#include "base/assert.h"
#include "base/memory.h"

/* See base/allotment.h: of all references, and of all pages. */
#define SHARE 8u

void stored_init(struct stored *stored, const struct allocator *allocator)
{
    *stored = (struct stored){.allocator = allocator, .most = HANDLES_MAX};
    handles_init(&stored->accounts, allocator);
    handles_init(&stored->pages, allocator);
    handles_init(&stored->references, allocator);
    check(stored->first == NULL);
}

void stored_fini(struct stored *stored)
{
    while (stored->first != NULL) {
        struct stored_account *account = stored->first;

        while (account->first != NULL) {
            struct stored_reference *reference = account->first;

            account->first = reference->next;
            memory_free(stored->allocator, reference, sizeof(*reference));
        }
        while (account->first_page != NULL) {
            struct stored_page *page = account->first_page;

            account->first_page = page->next;
            memory_free(stored->allocator, page, sizeof(*page));
        }
        stored->first = account->next;
        memory_free(stored->allocator, account, sizeof(*account));
    }
    while (stored->users != NULL) {
        struct stored_user *user = stored->users;

        stored->users = user->next;
        memory_free(stored->allocator, user, sizeof(*user));
    }
    handles_fini(&stored->accounts);
    handles_fini(&stored->pages);
    handles_fini(&stored->references);
    check(stored->first == NULL);
}

/* ---- Users ---- */

/* What a user has, made if it has nothing; NULL without memory. */
static struct stored_user *user_of(struct stored *stored, uint32_t uid)
{
    struct stored_user *user = stored->users;

    while (user != NULL && user->uid != uid)
        user = user->next;
    if (user != NULL)
        return user;
    user = memory_new(stored->allocator, sizeof(*user));
    if (user == NULL)
        return NULL;
    user->uid = uid;
    user->next = stored->users;
    stored->users = user;
    check(user->accounts == 0 && user->references == 0 && user->pages == 0);
    return user;
}

/* A user without accounts is forgotten. */
static void user_settle(struct stored *stored, struct stored_user *user)
{
    struct stored_user **link = &stored->users;

    if (user->accounts > 0)
        return;
    ensure(user->references == 0 && user->pages == 0);
    while (*link != user)
        link = &(*link)->next;
    *link = user->next;
    memory_free(stored->allocator, user, sizeof(*user));
}

bool stored_may_refer(const struct stored *stored, const struct stored_account *account,
                      uint32_t count)
{
    const struct stored_user *user = account->user;

    check(stored->count <= stored->most && stored->referenced <= stored->most);
    return allotment_may(user->references, count, stored->referenced, stored->most, SHARE) &&
           allotment_may(user->pages, count, stored->count, stored->most, SHARE);
}

/* ---- Accounts ---- */

struct stored_account *stored_account_new(struct stored *stored, void *task, uint32_t uid)
{
    struct stored_account *account = memory_new(stored->allocator, sizeof(*account));
    struct stored_user *user;

    ensure(task != NULL);
    if (account == NULL)
        return NULL;
    user = user_of(stored, uid);
    if (user != NULL)
        account->handle = handles_new(&stored->accounts, account);
    if (account->handle == 0) {
        if (user != NULL)
            user_settle(stored, user);
        memory_free(stored->allocator, account, sizeof(*account));
        return NULL;
    }
    user->accounts++;
    account->user = user;
    account->task = task;
    account->next = stored->first;
    if (account->next != NULL)
        account->next->prev = account;
    stored->first = account;
    return account;
}

void stored_account_end(struct stored *stored, struct stored_account *account)
{
    ensure(account->references == 0 && account->pages == 0 && account->left == 0);
    ensure(account->user->accounts > 0);
    account->user->accounts--;
    user_settle(stored, account->user);
    handles_free(&stored->accounts, account->handle);
    if (account->next != NULL)
        account->next->prev = account->prev;
    if (account->prev != NULL)
        account->prev->next = account->next;
    else
        stored->first = account->next;
    memory_free(stored->allocator, account, sizeof(*account));
}

/* ---- Pages and references ---- */

struct stored_page *stored_page_new(struct stored *stored, struct stored_account *account)
{
    struct stored_page *page = memory_new(stored->allocator, sizeof(*page));

    if (page == NULL)
        return NULL;
    page->handle = handles_new(&stored->pages, page);
    if (page->handle == 0) {
        memory_free(stored->allocator, page, sizeof(*page));
        return NULL;
    }
    page->account = account;
    page->slot = STORED_NOWHERE;
    page->state = STORED_WRITING;
    page->next = account->first_page;
    if (page->next != NULL)
        page->next->prev = page;
    account->first_page = page;
    account->pages++;
    account->user->pages++;
    account->left++; /* until its own task refers to it */
    stored->count++;
    check(account->left <= account->pages);
    return page;
}

/* Free a page that nobody has. */
static void page_end(struct stored *stored, struct stored_page *page)
{
    struct stored_account *account = page->account;

    ensure(page->references == 0 && page->own == 0 && !page->loading);
    ensure(account->pages > 0 && account->left > 0 && stored->count > 0);
    ensure(account->user->pages > 0);
    account->pages--;
    account->user->pages--;
    account->left--;
    account->charge -= page->charged;
    stored->count--;
    if (page->shown != NULL)
        *page->shown = 0;
    if (page->next != NULL)
        page->next->prev = page->prev;
    if (page->prev != NULL)
        page->prev->next = page->next;
    else
        account->first_page = page->next;
    handles_free(&stored->pages, page->handle);
    memory_free(stored->allocator, page, sizeof(*page));
}

struct stored_reference *stored_refer(struct stored *stored, struct stored_account *account,
                                      struct stored_page *page, uint32_t *chargep)
{
    struct stored_reference *reference = memory_new(stored->allocator, sizeof(*reference));
    bool is_new = page->references == 0;

    check(page->own <= page->references);
    if (reference == NULL)
        return NULL;
    reference->handle = handles_new(&stored->references, reference);
    if (reference->handle == 0) {
        memory_free(stored->allocator, reference, sizeof(*reference));
        return NULL;
    }
    reference->serial = ++stored->serials;
    reference->account = account;
    reference->page = page;
    reference->next = account->first;
    if (reference->next != NULL)
        reference->next->prev = reference;
    account->first = reference;
    account->references++;
    account->user->references++;
    stored->referenced++;
    page->references++;
    reference->charged = true;
    if (page->account == account && page->own == 0 && !is_new) {
        reference->charged = page->charged; /* it takes over what the page cost */
        page->charged = false;
    } else {
        account->charge++;
        ++*chargep;
    }
    if (page->account == account && page->own++ == 0)
        account->left--;
    return reference;
}

struct stored_reference *stored_find(const struct stored *stored,
                                     const struct stored_account *account, uint32_t number)
{
    struct stored_reference *reference = handles_object(&stored->references, number);

    check(account == NULL || account->handle != 0);
    return reference != NULL && reference->account == account ? reference : NULL;
}

/* Take a reference out of its account's list. */
static void unlink_reference(struct stored *stored, struct stored_reference *reference)
{
    struct stored_account *account = reference->account;

    ensure(account->references > 0 && account->user->references > 0 && stored->referenced > 0);
    account->references--;
    account->user->references--;
    stored->referenced--;
    if (reference->next != NULL)
        reference->next->prev = reference->prev;
    if (reference->prev != NULL)
        reference->prev->next = reference->next;
    else
        account->first = reference->next;
    handles_free(&stored->references, reference->handle);
}

struct stored_freed stored_release(struct stored *stored, struct stored_reference *reference)
{
    struct stored_account *holder = reference->account;
    struct stored_page *page = reference->page;
    struct stored_account *account = page->account;
    struct stored_freed freed = {account->handle, STORED_NOWHERE, 0, holder->handle, 0};
    bool charged;

    ensure(page->references > 0);
    charged = reference->charged;
    unlink_reference(stored, reference);
    memory_free(stored->allocator, reference, sizeof(*reference));
    page->references--;
    if (holder != account) {
        freed.back = charged;
    } else if (--page->own == 0) {
        account->left++;
        page->charged = charged; /* what the reference cost, the page costs from now on */
        charged = false;
    } else {
        freed.refund = charged;
    }
    ensure(holder->charge >= (uint32_t)charged);
    holder->charge -= charged;
    if (page->references > 0 || page->state == STORED_WRITING)
        return freed;
    check(page->own == 0 && freed.refund == 0);
    freed.slot = page->state == STORED_THERE ? page->slot : STORED_NOWHERE;
    freed.refund = page->charged;
    page_end(stored, page);
    return freed;
}

bool stored_written(struct stored *stored, struct stored_page *page, uint32_t slot,
                    struct stored_freed *freed)
{
    ensure(page->state == STORED_WRITING);
    page->slot = slot;
    page->state = slot == STORED_NOWHERE ? STORED_LOST : STORED_THERE;
    if (page->references > 0)
        return true;
    *freed =
        (struct stored_freed){page->account->handle, slot, page->charged, page->account->handle, 0};
    page_end(stored, page);
    return false;
}

void stored_show(struct stored_page *page, uint32_t *numberp, uint32_t extent, uint32_t offset)
{
    ensure(page->extent == 0 && extent != 0);
    page->extent = extent;
    page->offset = offset;
    page->shown = numberp;
    *numberp = page->handle;
}

void stored_hide(struct stored *stored, uint32_t *numberp)
{
    struct stored_page *page = handles_object(&stored->pages, *numberp);

    *numberp = 0;
    if (page == NULL)
        return;
    ensure(page->shown == numberp);
    page->extent = 0;
    page->offset = 0;
    page->shown = NULL;
}

uint32_t stored_lose(struct stored_account *account)
{
    uint32_t lost = 0;

    for (struct stored_reference *r = account->first; r != NULL; r = r->next)
        r->charged = false;
    account->charge = 0;
    account->asked = 0;
    account->denied = 0;
    for (struct stored_page *page = account->first_page; page != NULL; page = page->next) {
        page->charged = false;
        if (page->state != STORED_THERE)
            continue;
        page->state = STORED_LOST;
        page->slot = STORED_NOWHERE;
        lost++;
    }
    check(lost <= account->pages);
    return lost;
}

/* The pages of one account. */
static const char *check_pages(const struct stored *stored, const struct stored_account *account)
{
    uint32_t pages = 0, left = 0, charge = 0, loading = 0;

    for (const struct stored_page *p = account->first_page; p != NULL; p = p->next) {
        pages++;
        loading += p->loading;
        left += p->own == 0;
        charge += p->charged;
        if (p->charged && p->own > 0)
            return "a stored page is paid for twice";
        if (p->account != account || handles_object(&stored->pages, p->handle) != p)
            return "a stored page is not where its account or its handle says";
        if (p->own > p->references || (p->references == 0 && p->state != STORED_WRITING))
            return "a stored page was kept that nobody has";
        if ((p->state == STORED_THERE) != (p->slot != STORED_NOWHERE))
            return "a stored page has a slot that is not written, or the other way round";
        if ((p->extent != 0) != (p->shown != NULL) || (p->shown != NULL && *p->shown != p->handle))
            return "a stored page and the page of memory that shows it disagree";
    }
    for (const struct stored_reference *r = account->first; r != NULL; r = r->next)
        charge += r->charged;
    if (charge != account->charge)
        return "an account miscounts what it costs";
    if (loading != account->loading)
        return "an account miscounts its pages that are being loaded";
    return pages != account->pages || left != account->left
               ? "an account miscounts its pages in swap, or those left behind"
               : NULL;
}

/* The sums over the accounts of each user. */
static const char *check_users(const struct stored *stored)
{
    uint32_t accounts = 0, all = 0;

    for (const struct stored_account *a = stored->first; a != NULL; a = a->next)
        all++;
    for (const struct stored_user *user = stored->users; user != NULL; user = user->next) {
        uint32_t references = 0, pages = 0, own = 0;

        for (const struct stored_account *a = stored->first; a != NULL; a = a->next) {
            references += a->user == user ? a->references : 0;
            pages += a->user == user ? a->pages : 0;
            own += a->user == user;
        }
        if (own == 0 || own != user->accounts || references != user->references ||
            pages != user->pages)
            return "a user's share of what is in swap is miscounted";
        accounts += own;
    }
    return accounts != all ? "an account in swap has no user" : NULL;
}

const char *stored_check(const struct stored *stored)
{
    uint32_t pages = 0, referenced = 0, named = 0;

    for (const struct stored_account *a = stored->first; a != NULL; a = a->next) {
        uint32_t references = 0;
        const char *wrong = check_pages(stored, a);

        if (wrong != NULL)
            return wrong;
        for (const struct stored_reference *r = a->first; r != NULL; r = r->next) {
            references++;
            if (r->account != a || handles_object(&stored->references, r->handle) != r)
                return "a reference to swap is not where its account or its handle says";
        }
        if (references != a->references)
            return "an account miscounts its references to swap";
        for (const struct stored_page *p = a->first_page; p != NULL; p = p->next)
            named += p->references;
        pages += a->pages;
        referenced += references;
    }
    if (pages != stored->count || referenced != stored->referenced || named != referenced)
        return "pages in swap have other references than there are";
    return check_users(stored);
}
