/* A plain model of selfpage/l4.h: arrays, no tree, no table. What it lacks in speed it has in plainness. */
#ifndef TESTS_L4_MODEL_H
#define TESTS_L4_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/l4.h>

#define MODEL_SPACES 5 /* 0 is sigma0 */
#define MODEL_PAGES  16
#define MODEL_FRAMES 8

/* A page of a space. */
struct model_page {
    bool mapped;
    int space, page; /* itself */
    int frame;
    int parent_space, parent_page; /* -1: sigma0's own */
    unsigned rights, own, below;
};

struct model {
    struct model_page page[MODEL_SPACES][MODEL_PAGES];
};

void model_init(struct model *model);
uint32_t model_map(struct model *model, int from, int to, const struct sp_l4_item *item,
                   sp_fpage window);
unsigned model_unmap(struct model *model, int space, sp_fpage fpage, bool flush);
int model_access(struct model *model, int space, int page, unsigned rights);

#endif
