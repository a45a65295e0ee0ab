/* What the file server of a play has in its cache, parts of files in chunks (core/cache/chunks.h), and what physmem tells
 * it. */
#ifndef PLAY_FILES_H
#define PLAY_FILES_H

#include "play/scene.h"

/* What it does at a time: the low bits of value[0] of SCENE_FILES; what stands behind them, in the others. */
enum files_event {
    FILES_GO_ON,   /* it serves requests */
    FILES_RELEASE, /* physmem recalls frames */
    FILES_RENEW,   /* the contract of this number */
    FILES_END,     /* it has lost everything */
};

#define FILES_EVENT_BITS 8u

/* Empty chunks; false without memory. */
bool files_make_cache(struct scene *scene, uint32_t pages);
void files_free_cache(struct scene *scene);

/* The chunk with this part of a file; CHUNKS_NONE: there is none. */
uint32_t files_find(const struct scene_files *files, uint64_t file, uint64_t number);

/* What a page of a file holds: never 0. */
uint64_t files_word(uint64_t file, uint64_t page);

/* What physmem says to the file server. A reply to its last request is in `reply` at once; the rest it hears half a round
 * trip later. */
void files_tell(struct scene *scene, const struct physmem_effect *effect);

#endif
