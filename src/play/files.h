/* What the file server of a play has in its cache, and what physmem tells it. As in a live one (sim/fileserver/cache.h) the
 * cache is parts of files in chunks of SCENE_CHUNK_PAGES slots; the one that was not used for the longest time gives way. */
#ifndef PLAY_FILES_H
#define PLAY_FILES_H

#include "play/scene.h"

#define FILES_NONE UINT32_MAX

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

/* Pages of chunks that have frames. */
uint32_t files_pages(const struct scene_files *files);

/* The chunk with this part of a file; FILES_NONE: there is none. */
uint32_t files_find(const struct scene_files *files, uint64_t file, uint64_t number);

/* A chunk holds nothing any more; frames that it has it keeps. */
void files_forget(struct scene_files *files, uint32_t chunk);

/* It is used now. */
void files_use(struct scene_files *files, uint32_t chunk);

/* What a page of a file holds: never 0. */
uint64_t files_word(uint64_t file, uint64_t page);

/* What physmem says to the file server. A reply to its last request is in `reply` at once; the rest it hears half a round
 * trip later. */
void files_tell(struct scene *scene, const struct physmem_effect *effect);

#endif
