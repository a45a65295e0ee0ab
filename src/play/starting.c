#include "play/starting.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "play/server.h"
#include "play/sublet.h"

int starting_physmem(struct play *play)
{
    const struct play_config *config = &play->config;
    struct physmem_config physmem = {.allocator = config->allocator,
                                     .arbiter = config->arbiter,
                                     .frames = config->frames,
                                     .reserve = config->reserve,
                                     .max_order = SUBLET_MAX_ORDER};
    int rc;

    memcpy(physmem.arbiter_params, config->arbiter_params, sizeof(physmem.arbiter_params));
    rc = physmem_new(&play->scene.physmem->core, &physmem);
    if (rc == 0)
        physmem_shell_init(&play->scene.physmem->shell, play->scene.physmem->core,
                           config->allocator);
    return rc;
}

const char *starting_stacked(struct play *play, struct scene_physmem *physmem, char why[SCENE_TEXT])
{
    if (physmem->lessee.task != NULL) /* the one above has not heard of its end */
        server_leave(&play->scene, physmem);
    return sublet_open(&play->scene, physmem, &play->config.stacked[physmem->number - 1], why);
}

int starting_all_stacked(struct play *play)
{
    struct scene *scene = &play->scene;
    char text[SCENE_TEXT];

    check(play->config.stacked_count <= SCENE_STACKED_MAX);
    for (uint32_t i = 0; i < play->config.stacked_count; i++) {
        struct scene_physmem *physmem = &scene->physmem[1 + i];
        const char *why;

        check(play->config.stacked[i].above <= i);
        physmem->number = 1 + i;
        physmem->name = play->config.stacked[i].name;
        physmem->lessee.above = &scene->physmem[play->config.stacked[i].above];
        scene->physmems++;
        why = starting_stacked(play, physmem, text);
        if (why != NULL) {
            scene_wrong(scene, "%s cannot start: %s", physmem->name, why);
            return scene->failed ? -ENOMEM : -ECONNREFUSED;
        }
    }
    return 0;
}

int starting_files(struct play *play)
{
    struct scene *scene = &play->scene;
    char text[SCENE_TEXT];
    const char *why;

    scene->files.config = play->config.fileserver;
    if (scene->files.config == NULL)
        return 0;
    why = fileserver_start(scene, text);
    if (why == NULL)
        return 0;
    scene_wrong(scene, "the file server cannot start: %s", why);
    return scene->failed ? -ENOMEM : -ECONNREFUSED;
}

int starting_swap(struct play *play)
{
    const struct play_config *config = &play->config;
    int rc;

    if (config->swap_slots == 0)
        return 0;
    rc = device_init(&play->scene.device, config->swap_slots, &config->costs,
                     random_stream(config->seed, STREAM_DEVICE).state, config->allocator);
    play->scene.device.fails = config->fail_writes;
    play->scene.bandwidth = config->bandwidth;
    play->scene.has_swap = rc == 0;
    return rc;
}
