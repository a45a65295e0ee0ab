/* The file server of a play: a task of the first physmem, which serves one request after the other, as a live one does. It
 * makes the same requests of physmem; each takes a round trip, and the answer comes when all are done. The bytes of a file
 * cost nothing: they are read where the kernel has them at hand. */
#ifndef PLAY_FILESERVER_H
#define PLAY_FILESERVER_H

#include "core/contracts/terms_text.h"
#include "play/actor.h"

struct fileserver_config {
    struct wanted_contract wanted[TERMS_MAX];
    uint32_t contracts;
    uint32_t cache; /* pages, at least CHUNKS_CACHE_LEAST */
};

/* It comes, and concludes its contracts at once. Returns NULL, or why it does not, static or in `why`. */
const char *fileserver_start(struct scene *scene, char why[SCENE_TEXT]);

/* It ends, and physmem notices; what it was asked fails. `lost`: it has nothing of physmem any more. */
void fileserver_end(struct scene *scene, bool lost);

/* A letter of an actor has come. */
void fileserver_hear(struct actor *actor, struct letter *letter);

/* A SCENE_FILES. */
void fileserver_happen(struct scene *scene, const struct queue_entry *entry);

/* It goes on, after it has hung. */
void fileserver_resume(struct scene *scene);

void fileserver_fini(struct scene *scene);

#endif
