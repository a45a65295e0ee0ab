/* A physmem that is a task of another one comes: it concludes its contracts and takes hold of what they promise before it
 * lets tasks come, as a live one does. Nothing of that takes time. */
#ifndef PLAY_SUBLET_H
#define PLAY_SUBLET_H

#include <selfpage/arbiter.h>

#include "play/scene.h"

struct sublet_config {
    const char *name;
    uint32_t above; /* number of the physmem that it is a task of; less than its own */
    struct wanted_contract wanted[TERMS_MAX]; /* none is a part; grace is counted in time */
    uint32_t contracts;
    uint32_t reserve;
    const struct sp_arbiter *arbiter; /* outlives it */
    double arbiter_params[PARAMS_MAX];
};

/* The largest block of frames: as in selfpage-physmem. */
#define SUBLET_MAX_ORDER 10u

/* It starts; the one above is there. Sets physmem->core. Returns NULL, or why it cannot: static, or in `why`. */
const char *sublet_open(struct scene *scene, struct scene_physmem *physmem,
                        const struct sublet_config *config, char why[SCENE_TEXT]);

/* Free what all of them know of what they have above. */
void sublet_fini(struct scene *scene);

#endif
