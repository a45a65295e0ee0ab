/* The rule of a file server's page cache: which chunk of it is filled next, which gives its frames to another one, and
 * which are released when physmem recalls frames. Always the one that was not used for the longest time.
 *
 *            chunks_hold                chunks_release
 *   EMPTY ------------> HELD ------------------------> SOFT
 *     ^                  |  ^                            |
 *     |  chunks_forget   |  '------ chunks_recover ------|
 *     '------------------'-------------------------------'
 *
 * What a chunk holds, and asking physmem for its frames, is the server's: a live one (sim/fileserver/cache.h), or one of
 * a play (src/play/fileserver.h). */
#ifndef CACHE_CHUNKS_H
#define CACHE_CHUNKS_H

#include <stdbool.h>
#include <stdint.h>

#define CHUNKS_NONE UINT32_MAX

/* Pages: of one chunk, which is what one request reads; of a whole cache. */
#define CHUNKS_PAGES       16u
#define CHUNKS_CACHE_LEAST CHUNKS_PAGES
#define CHUNKS_CACHE_MOST  262144u
#define CHUNKS_CACHE_USUAL 1024u /* if nobody says how many */

enum chunk_state {
    CHUNK_EMPTY,
    CHUNK_HELD,
    CHUNK_SOFT,
};

struct chunk_place {
    uint32_t newer; /* used after this one; CHUNKS_NONE: it is the newest */
    uint32_t older;
    enum chunk_state state;
    bool framed; /* has frames that physmem has to ask for: an EMPTY one may, a SOFT one has none */
};

/* All chunks of a cache, from the newest to the oldest: each is in the order once, whatever its state. */
struct chunks {
    struct chunk_place *place;
    uint32_t count;
    uint32_t newest;
    uint32_t oldest;
    uint32_t framed; /* of them */
};

/* Begin with `count` chunks, at least one, which are empty and have no frames; the first one is filled first. `place` has room
 * for `count`; it is borrowed as long as the chunks are used. */
void chunks_init(struct chunks *chunks, struct chunk_place *place, uint32_t count);

/* Pages that have frames. */
uint32_t chunks_pages(const struct chunks *chunks);

/* ---- Choosing ---- */

/* The chunk that is filled next. What it holds is to be forgotten first. */
uint32_t chunks_victim(const struct chunks *chunks);

/* The chunk that gives its frames up so that `but` can have some; CHUNKS_NONE: no other has any. */
uint32_t chunks_giver(const struct chunks *chunks, uint32_t but);

/* Chunks with frames, in the order in which they are released: the one after `before`, the first one for CHUNKS_NONE.
 * CHUNKS_NONE: there are no more. What is EMPTY is given back for good, the others softly. */
uint32_t chunks_next(const struct chunks *chunks, uint32_t before);

/* ---- What happens to one ---- */

/* It is used now. */
void chunks_use(struct chunks *chunks, uint32_t chunk);

/* It has got frames, or has kept those that it had. */
void chunks_frame(struct chunks *chunks, uint32_t chunk);

/* It holds something from now on, and was EMPTY. */
void chunks_hold(struct chunks *chunks, uint32_t chunk);

/* It holds nothing any more; frames that it has it keeps. */
void chunks_forget(struct chunks *chunks, uint32_t chunk);

/* Its frames are given back for good, and with them what it held. */
void chunks_give_back(struct chunks *chunks, uint32_t chunk);

/* Its frames were released softly, of one that is HELD; and all of them are back. */
void chunks_release(struct chunks *chunks, uint32_t chunk);
void chunks_recover(struct chunks *chunks, uint32_t chunk);

#endif
