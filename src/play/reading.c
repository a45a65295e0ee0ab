#include "play/reading.h"

#include <errno.h>

#include "base/assert.h"
#include "play/deal.h"
#include "play/errands.h"
#include "play/files.h"

/* How often a read is tried again for which the server had no frames. */
#define TRIES_MOST 1000u

uint32_t reading_files(const struct actor *actor)
{
    const struct workload *workload = &actor->config->tables->workload;
    uint32_t count = 0;

    for (uint32_t i = 0; i < workload->phases; i++)
        count += workload->phase[i].pattern == WORKLOAD_FILE;
    return count;
}

/* ---- Letters ---- */

static void post(struct actor *actor, enum letter_kind kind, uint32_t count, uint64_t number,
                 enum reading_step step)
{
    struct letter *letter = errands_letter(actor, kind);

    if (letter == NULL)
        return;
    letter->request.seq = actor->asked = ++actor->scene->seq;
    letter->request.container = actor->files.container;
    letter->request.count = count;
    letter->request.number = number;
    letter->request.whole = true;
    actor->files.step = step;
    errands_post(actor, letter, LANE_PHYSMEM);
}

static void post_to_server(struct actor *actor, struct letter *letter, enum reading_step step)
{
    letter->request.container = actor->files.container;
    actor->files.step = step;
    scene_send(actor->scene, letter, &actor->files.up, SCENE_TO_FILES, 0);
}

/* ---- The container ---- */

void reading_come(struct actor *actor)
{
    actor->files = (struct actor_files){.step = READING_CONTAINER};
    post(actor, LETTER_CONTAINER, CHUNKS_PAGES, 0, READING_CONTAINER);
}

/* By which the server takes the container: another one in each life of each task. */
static uint64_t token_of(const struct actor *actor)
{
    return (uint64_t)actor->life << 32 | (actor->number + 1);
}

static enum reading_result share(struct actor *actor)
{
    const struct scene_files *files = &actor->scene->files;

    actor->files.frames = CHUNKS_PAGES;
    deal_allow(actor);
    if (files->task == NULL) /* nobody listens where it would connect */
        return READING_FAILED;
    actor->files.life = files->life;
    post(actor, LETTER_SHARE, 0, token_of(actor), READING_SHARE);
    return READING_WAITS;
}

static enum reading_result give(struct actor *actor)
{
    struct letter *letter = errands_letter(actor, LETTER_SHARE);

    if (letter == NULL)
        return READING_WAITS;
    letter->request.number = token_of(actor);
    post_to_server(actor, letter, READING_GIVE);
    return READING_WAITS;
}

/* The server has it, and opens the files. */
static enum reading_result come_in(struct actor *actor)
{
    struct scene_files *files = &actor->scene->files;
    uint32_t count = reading_files(actor);

    actor->files.open = count;
    files->counted.clients++;
    files->counted.files += count;
    files->counted.opens += count;
    files->counted.messages += 1 + count;
    return READING_DONE;
}

void reading_leave(struct actor *actor)
{
    struct scene_files *files = &actor->scene->files;

    if (actor->files.open > 0 && actor->files.life == files->life) {
        files->counted.clients--;
        files->counted.files -= actor->files.open;
    }
    if (actor->files.frames > 0 && actor->exit_status == 0) /* otherwise its process just ends */
        post(actor, LETTER_DESTROY, 0, 0, READING_NOTHING);
    actor->files = (struct actor_files){.step = READING_NOTHING};
}

/* ---- A read ---- */

static uint64_t file_of(const struct actor *actor)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a of its path */
    const char *path = actor->config->tables->workload.phase[actor->step.phase].path;

    for (; *path != '\0'; path++)
        hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
    return hash;
}

/* Bytes of the file that the step reads. */
static uint32_t bytes_of(const struct actor *actor)
{
    uint64_t size = actor->config->tables->file_bytes[actor->step.phase];
    uint64_t first = (uint64_t)actor->step.chunk * WORKLOAD_READ_BYTES;

    if (first >= size)
        return 0;
    return size - first < WORKLOAD_READ_BYTES ? (uint32_t)(size - first) : WORKLOAD_READ_BYTES;
}

static uint32_t pages_of(const struct actor *actor)
{
    return (bytes_of(actor) + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE;
}

void reading_ask(struct actor *actor)
{
    struct letter *letter = errands_letter(actor, LETTER_READ);

    if (letter == NULL)
        return;
    letter->request.number = file_of(actor);
    letter->request.slot = actor->step.chunk;
    letter->request.count = bytes_of(actor);
    post_to_server(actor, letter, READING_ASK);
}

bool reading_waits(const struct actor *actor)
{
    return actor->files.step != READING_NOTHING;
}

void reading_look(struct actor *actor, struct letter *letter)
{
    struct physmem_effect *effect = &letter->said.effect;
    const struct physmem_map_item *item =
        physmem_map_items(actor->physmem->core, effect->mapped.first);
    uint64_t file = file_of(actor);
    uint64_t first = (uint64_t)actor->step.chunk * CHUNKS_PAGES;

    effect->mapped.first = 0;
    for (uint32_t i = 0; i < effect->mapped.count; i++) {
        const struct physmem_shell_extent *extent =
            physmem_shell_extent(&actor->physmem->shell, item[i].extent);

        ensure(extent != NULL && item[i].offset + item[i].count <= extent->pages);
        for (uint32_t page = 0; page < item[i].count; page++)
            if (extent->page[item[i].offset + page] !=
                files_word(file, first + item[i].slot + page))
                scene_wrong(actor->scene,
                            "%s has read page %llu of %s, and it holds something else",
                            actor->config->name, (unsigned long long)first + item[i].slot + page,
                            actor->config->tables->workload.phase[actor->step.phase].path);
        effect->mapped.first += item[i].count; /* as in other letters: how many slots */
    }
}

/* The program has what it wanted. */
static enum reading_result end_read(struct actor *actor)
{
    actor->files.step = READING_NOTHING;
    actor->files.tries = 0;
    return READING_DONE;
}

enum reading_result reading_answered(struct actor *actor, int error)
{
    if (actor->files.step == READING_GIVE) {
        actor->files.step = READING_NOTHING;
        return error == 0 ? come_in(actor) : READING_FAILED;
    }
    check(actor->files.step == READING_ASK);
    if (error == ENOMEM && ++actor->files.tries <= TRIES_MOST) {
        actor->files.step = READING_NOTHING;
        return READING_AGAIN;
    }
    if (error != 0)
        return READING_FAILED;
    if (pages_of(actor) == 0)
        return end_read(actor);
    post(actor, LETTER_MAP, pages_of(actor), 0, READING_MAP);
    return READING_WAITS;
}

enum reading_result reading_heard(struct actor *actor, const struct physmem_effect *effect)
{
    if (effect->error != 0)
        return READING_FAILED;
    switch (actor->files.step) {
    case READING_CONTAINER:
        actor->files.container = effect->container.container;
        post(actor, LETTER_ALLOCATE, CHUNKS_PAGES, 0, READING_FRAMES);
        return READING_WAITS;
    case READING_FRAMES:
        return share(actor);
    case READING_SHARE:
        return give(actor);
    case READING_MAP:
        if (effect->mapped.first != pages_of(actor))
            return READING_FAILED;
        post(actor, LETTER_UNMAP_OWN, pages_of(actor), 0, READING_UNMAP);
        return READING_WAITS;
    case READING_UNMAP:
        return end_read(actor);
    case READING_NOTHING:
    case READING_GIVE:
    case READING_ASK:
        break;
    }
    return READING_FAILED;
}
