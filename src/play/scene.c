#include "play/scene.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

void scene_init(struct scene *scene, const struct costs *costs, const struct allocator *allocator,
                const struct allocator *fresh)
{
    memset(scene, 0, sizeof(*scene));
    scene->allocator = allocator;
    scene->fresh = fresh;
    scene->costs = *costs;
    scene->turns_at = UINT64_MAX;
    scene->physmems = 1;
    scene->physmem[0].name = "physmem";
    world_queue_init(&scene->queue, allocator);
}

static void free_list(const struct scene *scene, struct letter *letter)
{
    while (letter != NULL) {
        struct letter *next = letter->next;

        memory_free(scene->allocator, letter, sizeof(*letter));
        letter = next;
    }
}

void scene_fini(struct scene *scene)
{
    struct queue_entry entry;

    while (world_queue_take(&scene->queue, UINT64_MAX, &entry))
        if ((entry.kind >= SCENE_TO_PHYSMEM && entry.kind <= SCENE_FROM_SWAP) ||
            entry.kind == SCENE_UP || entry.kind == SCENE_DOWN)
            scene_drop(scene, (struct letter *)(uintptr_t)entry.value[0]);
    free_list(scene, scene->letters);
    for (unsigned i = 0; i < SCENE_SERVERS; i++)
        free_list(scene, scene->server[i].kept);
    scene->letters = NULL;
    world_queue_fini(&scene->queue);
    device_fini(&scene->device);
    for (uint32_t i = 0; i < scene->physmems; i++) {
        physmem_free(&scene->physmem[i].core);
        if (scene->physmem[i].shell.allocator != NULL)
            physmem_shell_fini(&scene->physmem[i].shell);
        free_list(scene, scene->physmem[i].lessee.holds.first);
    }
}

void scene_wrong(struct scene *scene, const char *format, ...)
{
    va_list values;

    if (scene->wrong[0] != '\0')
        return;
    va_start(values, format);
    vsnprintf(scene->wrong, sizeof(scene->wrong), format, values);
    va_end(values);
}

void scene_at(struct scene *scene, uint64_t when, enum scene_event event, uint32_t actor,
              uint32_t life, uint64_t value)
{
    const struct queue_entry entry = {
        .when = when, .kind = event, .to = actor, .value = {value, life}};

    check(when >= scene->now);
    if (world_queue_add(&scene->queue, entry) != 0)
        scene->failed = true;
}

/* What is read of a letter without regard to how many there are: all but the lists, which begin behind it. */
#define LETTER_HEAD                                                                                \
    greater(sizeof(((struct letter *)NULL)->request) + offsetof(struct letter, request),           \
            offsetof(struct letter, said.item))
#define greater(a, b) ((a) > (b) ? (a) : (b))

_Static_assert(offsetof(struct letter, swap.page) <= LETTER_HEAD &&
                   offsetof(struct letter, returns.range) <= LETTER_HEAD,
               "the numbers of all lists are in the head");

struct letter *scene_letter(struct scene *scene)
{
    struct letter *letter = scene->letters;

    if (letter == NULL) {
        letter = memory_new(scene->allocator, sizeof(*letter));
        if (letter == NULL)
            scene->failed = true;
        return letter;
    }
    scene->letters = letter->next;
    memset(letter, 0, LETTER_HEAD);
    return letter;
}

void scene_drop(struct scene *scene, struct letter *letter)
{
    letter->next = scene->letters;
    scene->letters = letter;
}

void scene_send(struct scene *scene, struct letter *letter, uint64_t *lane, enum scene_event event,
                uint64_t later)
{
    uint64_t arrival = scene->now + scene->costs.round_trip / 2 + later;

    if (arrival <= *lane)
        arrival = *lane + 1;
    *lane = arrival;
    scene_at(scene, arrival, event, letter->actor, letter->life, (uintptr_t)letter);
}
