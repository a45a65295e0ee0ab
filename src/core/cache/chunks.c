#include "core/cache/chunks.h"

#include "base/assert.h"

static struct chunk_place *place_of(struct chunks *chunks, uint32_t chunk)
{
    ensure(chunk < chunks->count);
    return &chunks->place[chunk];
}

static void set_framed(struct chunks *chunks, struct chunk_place *place, bool framed)
{
    chunks->framed += (framed ? 1u : 0u) - (place->framed ? 1u : 0u);
    place->framed = framed;
    check(chunks->framed <= chunks->count);
}

/* ---- The order of use ---- */

static void take_out(struct chunks *chunks, const struct chunk_place *place)
{
    if (place->newer != CHUNKS_NONE)
        chunks->place[place->newer].older = place->older;
    else
        chunks->newest = place->older;
    if (place->older != CHUNKS_NONE)
        chunks->place[place->older].newer = place->newer;
    else
        chunks->oldest = place->newer;
}

static void make_newest(struct chunks *chunks, uint32_t chunk)
{
    struct chunk_place *place = place_of(chunks, chunk);

    place->newer = CHUNKS_NONE;
    place->older = chunks->newest;
    if (chunks->newest != CHUNKS_NONE)
        chunks->place[chunks->newest].newer = chunk;
    else
        chunks->oldest = chunk;
    chunks->newest = chunk;
}

void chunks_use(struct chunks *chunks, uint32_t chunk)
{
    take_out(chunks, place_of(chunks, chunk));
    make_newest(chunks, chunk);
    check(chunks->newest == chunk && chunks->oldest != CHUNKS_NONE);
}

void chunks_init(struct chunks *chunks, struct chunk_place *place, uint32_t count)
{
    ensure(count > 0 && count < CHUNKS_NONE);
    *chunks = (struct chunks){place, count, CHUNKS_NONE, CHUNKS_NONE, 0};
    for (uint32_t i = 0; i < count; i++) {
        place[i] = (struct chunk_place){.state = CHUNK_EMPTY};
        make_newest(chunks, i);
    }
}

uint32_t chunks_pages(const struct chunks *chunks)
{
    check(chunks->framed <= chunks->count);
    return chunks->framed * CHUNKS_PAGES;
}

/* ---- Choosing ---- */

uint32_t chunks_victim(const struct chunks *chunks)
{
    ensure(chunks->oldest < chunks->count);
    return chunks->oldest;
}

uint32_t chunks_giver(const struct chunks *chunks, uint32_t but)
{
    uint32_t chunk = chunks_next(chunks, CHUNKS_NONE);

    check(but < chunks->count);
    return chunk == but ? chunks_next(chunks, chunk) : chunk;
}

uint32_t chunks_next(const struct chunks *chunks, uint32_t before)
{
    uint32_t chunk = before == CHUNKS_NONE ? chunks->oldest : chunks->place[before].newer;

    while (chunk != CHUNKS_NONE && !chunks->place[chunk].framed)
        chunk = chunks->place[chunk].newer;
    check(chunk == CHUNKS_NONE || chunks->place[chunk].state != CHUNK_SOFT);
    return chunk;
}

/* ---- What happens to one ---- */

void chunks_frame(struct chunks *chunks, uint32_t chunk)
{
    struct chunk_place *place = place_of(chunks, chunk);

    ensure(place->state != CHUNK_SOFT);
    set_framed(chunks, place, true);
}

void chunks_hold(struct chunks *chunks, uint32_t chunk)
{
    struct chunk_place *place = place_of(chunks, chunk);

    ensure(place->state == CHUNK_EMPTY && place->framed);
    place->state = CHUNK_HELD;
}

void chunks_forget(struct chunks *chunks, uint32_t chunk)
{
    struct chunk_place *place = place_of(chunks, chunk);

    check(place->state != CHUNK_SOFT || !place->framed);
    place->state = CHUNK_EMPTY;
}

void chunks_give_back(struct chunks *chunks, uint32_t chunk)
{
    chunks_forget(chunks, chunk);
    set_framed(chunks, place_of(chunks, chunk), false);
}

void chunks_release(struct chunks *chunks, uint32_t chunk)
{
    struct chunk_place *place = place_of(chunks, chunk);

    ensure(place->state == CHUNK_HELD && place->framed);
    place->state = CHUNK_SOFT;
    set_framed(chunks, place, false);
}

void chunks_recover(struct chunks *chunks, uint32_t chunk)
{
    struct chunk_place *place = place_of(chunks, chunk);

    ensure(place->state == CHUNK_SOFT && !place->framed);
    place->state = CHUNK_HELD;
    set_framed(chunks, place, true);
}
