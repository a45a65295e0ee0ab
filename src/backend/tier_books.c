/* Which pages lie on the fast device of a tier. */
#include "backend/tier_books.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

/* A spot that holds no page and that nobody transfers is free. */
static void spot_settle(struct tier_books *books, uint32_t number)
{
    struct tier_spot *spot = &books->spot[number];

    if (!spot->taken || spot->page != TIER_NONE || spot->pins > 0)
        return;
    spot->taken = false;
    books->free[books->free_count++] = number;
    ensure(books->free_count <= books->spots);
}

void tier_books_pin(struct tier_books *books, uint32_t number)
{
    ensure(books->spot[number].pins < UINT16_MAX);
    books->spot[number].pins++;
}

void tier_books_unpin(struct tier_books *books, uint32_t number)
{
    ensure(books->spot[number].pins > 0);
    books->spot[number].pins--;
    spot_settle(books, number);
}

uint32_t tier_books_take(struct tier_books *books)
{
    uint32_t number;

    if (books->free_count == 0)
        return TIER_NONE;
    number = books->free[--books->free_count];
    books->spot[number] = (struct tier_spot){.page = TIER_NONE, .pins = 1, .taken = true};
    return number;
}

void tier_books_leave(struct tier_books *books, uint32_t page)
{
    uint32_t number = books->place[page];

    if (number == TIER_NONE)
        return;
    ensure(books->spot[number].page == page);
    books->place[page] = TIER_NONE;
    books->spot[number].page = TIER_NONE;
    spot_settle(books, number);
}

void tier_books_enter(struct tier_books *books, uint32_t page, uint32_t number)
{
    tier_books_leave(books, page);
    books->place[page] = number;
    books->spot[number].page = page;
}

uint32_t tier_books_score(const struct tier_books *books, uint32_t page)
{
    const struct tier_usage *usage = &books->usage[page];
    uint32_t age = books->round - usage->round;

    return age < usage->score ? usage->score - age : 0;
}

/* A page that was not used for so long that it counts as new begins at 0 again. */
void tier_books_use(struct tier_books *books, uint32_t page)
{
    struct tier_usage *usage = &books->usage[page];
    uint32_t score = tier_books_score(books, page);

    if (!usage->known || books->round - usage->round > TIER_SCORE_MOST)
        score = 0;
    else if (score < TIER_SCORE_MOST)
        score++;
    usage->score = (uint8_t)score;
    usage->round = books->round;
}

void tier_books_choose(struct tier_books *books, struct tier_descent *descent)
{
    uint32_t most = TIER_BATCH < books->spots / 4 + 1 ? TIER_BATCH : books->spots / 4 + 1;
    uint64_t steps = (uint64_t)books->spots * (TIER_SCORE_MOST + 2);

    descent->count = 0;
    for (uint64_t i = 0; i < steps && descent->count < most; i++) {
        uint32_t number = books->hand, page = books->spot[number].page;

        if (descent->count > 0 && i >= books->spots)
            break;
        books->hand = number + 1 < books->spots ? number + 1 : 0;
        books->round += books->hand == 0;
        if (page == TIER_NONE || books->spot[number].pins > 0 || books->usage[page].moving ||
            tier_books_score(books, page) > 0)
            continue;
        tier_books_pin(books, number);
        books->usage[page].moving = true;
        descent->page[descent->count] = page;
        descent->spot[descent->count++] = number;
    }
}

int tier_books_init(struct tier_books *books, uint32_t pages, uint32_t spots)
{
    *books = (struct tier_books){.pages = pages, .spots = spots};
    books->spot = malloc(spots * sizeof(*books->spot));
    books->free = malloc(spots * sizeof(*books->free));
    books->place = malloc(pages * sizeof(*books->place));
    books->usage = calloc(pages, sizeof(*books->usage));
    if (books->spot == NULL || books->free == NULL || books->place == NULL || books->usage == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < spots; i++) {
        books->spot[i] = (struct tier_spot){.page = TIER_NONE};
        books->free[i] = spots - 1 - i; /* the first ones are taken first */
    }
    books->free_count = spots;
    for (uint32_t page = 0; page < pages; page++)
        books->place[page] = TIER_NONE;
    return 0;
}

void tier_books_fini(struct tier_books *books)
{
    free(books->spot);
    free(books->free);
    free(books->place);
    free(books->usage);
}
