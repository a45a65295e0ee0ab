#include "play/files.h"

#include "base/assert.h"
#include "base/memory.h"
#include "core/containers/container.h"

/* ---- The cache ---- */

bool files_make_cache(struct scene *scene, uint32_t pages)
{
    struct scene_files *files = &scene->files;
    uint32_t count = pages / CHUNKS_PAGES;
    struct chunk_place *place = memory_new(scene->allocator, count * sizeof(*place));

    ensure(count > 0 && files->part == NULL);
    files->part = memory_new(scene->allocator, count * sizeof(*files->part));
    if (place == NULL || files->part == NULL) {
        memory_free(scene->allocator, place, count * sizeof(*place));
        memory_free(scene->allocator, files->part, count * sizeof(*files->part));
        files->part = NULL;
        scene->failed = true;
        return false;
    }
    chunks_init(&files->chunks, place, count);
    return true;
}

void files_free_cache(struct scene *scene)
{
    struct scene_files *files = &scene->files;
    uint32_t count = files->chunks.count;

    memory_free(scene->allocator, files->chunks.place, count * sizeof(*files->chunks.place));
    memory_free(scene->allocator, files->part, count * sizeof(*files->part));
    files->chunks = (struct chunks){.place = NULL};
    files->part = NULL;
}

uint32_t files_find(const struct scene_files *files, uint64_t file, uint64_t number)
{
    const struct chunk_place *place = files->chunks.place;

    for (uint32_t i = files->chunks.newest; i != CHUNKS_NONE; i = place[i].older)
        if (place[i].state != CHUNK_EMPTY && files->part[i].file == file &&
            files->part[i].number == number)
            return i;
    return CHUNKS_NONE;
}

uint64_t files_word(uint64_t file, uint64_t page)
{
    return (file ^ (page + 1) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

/* ---- What physmem says ---- */

/* Rights to the slots of the chunk that is read from a file: its contents are written. */
static void write_pages(struct scene *scene, const struct physmem_effect *effect)
{
    struct scene_physmem *physmem = &scene->physmem[0];
    const struct physmem_map_item *item = physmem_map_items(physmem->core, effect->mapped.first);
    const struct scene_files *files = &scene->files;
    const struct scene_part *part = &files->part[files->victim];
    uint32_t first = files->victim * CHUNKS_PAGES;

    for (uint32_t i = 0; i < effect->mapped.count; i++) {
        struct physmem_shell_extent *extent = physmem_shell_extent(&physmem->shell, item[i].extent);

        ensure(extent != NULL && item[i].offset + item[i].count <= extent->pages);
        for (uint32_t page = 0; page < item[i].count; page++)
            extent->page[item[i].offset + page] =
                files_word(part->file, part->number * CHUNKS_PAGES + (item[i].slot + page - first));
    }
}

/* Half a round trip later. */
static void hear_later(struct scene *scene, enum files_event event, uint64_t value)
{
    scene_at(scene, scene->now + scene->costs.round_trip / 2, SCENE_FILES, 0, scene->files.life,
             value << FILES_EVENT_BITS | event);
}

/* Frames were taken by force. */
static void lose(struct scene *scene, const struct physmem_effect *effect)
{
    const struct physmem_map_item *item =
        physmem_map_items(scene->physmem[0].core, effect->repossessed.first);
    struct scene_files *files = &scene->files;

    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        for (uint32_t slot = item[i].slot; slot < item[i].slot + item[i].count; slot++)
            if (effect->repossessed.container == files->container &&
                slot / CHUNKS_PAGES < files->chunks.count)
                chunks_forget(&files->chunks, slot / CHUNKS_PAGES);
}

static void hear_reply(struct scene *scene, const struct physmem_effect *effect)
{
    struct scene_files *files = &scene->files;

    if (effect->seq != files->seq)
        return;
    files->reply = *effect;
    files->answered = true;
    if (effect->kind == PHYSMEM_REPLY_MAPPED && effect->error == 0) {
        files->reply.mapped.count = 0; /* slots from here on */
        for (uint32_t i = 0; i < effect->mapped.count; i++)
            files->reply.mapped.count +=
                physmem_map_items(scene->physmem[0].core, effect->mapped.first)[i].count;
        write_pages(scene, effect);
    }
    if (files->waits)
        hear_later(scene, FILES_GO_ON, 0);
}

void files_tell(struct scene *scene, const struct physmem_effect *effect)
{
    if (effect->kind <= PHYSMEM_REPLY_OFFER)
        hear_reply(scene, effect);
    else if (effect->kind == PHYSMEM_SEND_RECALL)
        hear_later(scene, FILES_RELEASE, effect->recall.frames);
    else if (effect->kind == PHYSMEM_SEND_NOTICE && effect->notice.what == PHYSMEM_EXPIRING)
        hear_later(scene, FILES_RENEW, effect->notice.contract);
    else if (effect->kind == PHYSMEM_SEND_REPOSSESSED)
        lose(scene, effect);
    else if (effect->kind == PHYSMEM_SEND_REVOKED || effect->kind == PHYSMEM_KILL)
        hear_later(scene, FILES_END, 0);
    /* It has rights to its cache only while it writes there: nobody asks it to unmap. */
}
