#include "theatre/counted.h"

#include <errno.h>
#include <string.h>

#include "core/physmem/status.h"
#include "play/life.h"

/* A number of a struct. */
struct counted_place {
    const char *name;
    size_t offset, size;
};

#define PLACE(object, name)                                                                        \
    {#name, offsetof(struct object, name), sizeof(((struct object *)NULL)->name)},
#define OF_TASK(type, name, unit, meaning)          PLACE(sp_stats, name)
#define OF_STATUS(type, name, unit, meaning)        PLACE(physmem_task_status, name)
#define OF_STATUS_STATE(name, list, unit, meaning)  PLACE(physmem_task_status, name)
#define OF_PHYSMEM(type, name, unit, meaning)       PLACE(physmem_status, name)
#define OF_PHYSMEM_STATE(name, list, unit, meaning) PLACE(physmem_status, name)
#define OF_SWAP(type, name, unit, meaning)          PLACE(device_status, name)
#define END                                                                                        \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

static const struct counted_place of_task[] = {SP_TASK_COUNTERS(OF_TASK, OF_TASK) END};
static const struct counted_place of_status[] = {SP_TASK_STATUS(OF_STATUS, OF_STATUS_STATE) END};
static const struct counted_place of_physmem[] = {SP_PHYSMEM_STATUS(OF_PHYSMEM, OF_PHYSMEM_STATE)
                                                      END};
static const struct counted_place of_swap[] = {SP_SWAP_STATUS(OF_SWAP, OF_SWAP) END};

/* Whether a table has this name; *valuep is then the number in `object`. */
static bool read_place(const struct counted_place *places, const char *name, const void *object,
                       uint64_t *valuep)
{
    const unsigned char *number;
    uint32_t word;

    while (places->name != NULL && strcmp(places->name, name) != 0)
        places++;
    if (places->name == NULL)
        return false;
    number = (const unsigned char *)object + places->offset;
    if (places->size == sizeof(*valuep)) {
        memcpy(valuep, number, sizeof(*valuep));
    } else if (places->size == sizeof(word)) {
        memcpy(&word, number, sizeof(word));
        *valuep = word;
    } else {
        *valuep = *number;
    }
    return true;
}

static int get_task(struct sp_world *world, uint32_t number, const char *field, uint64_t *valuep)
{
    const struct actor *actor = &world->play.actor[number];
    const struct sp_stats stats = life_stats(actor);

    play_look(&world->play, number);
    if (strcmp(field, "exit_status") == 0) {
        *valuep = (uint64_t)(int64_t)actor->exit_status;
        return 0;
    }
    return read_place(of_task, field, &stats, valuep) ||
                   read_place(of_status, field, &actor->seen, valuep)
               ? 0
               : -EINVAL;
}

static int get_all(struct sp_world *world, const char *field, uint64_t *valuep)
{
    *valuep = 0;
    for (uint32_t i = 0; i < world->roles; i++) {
        uint64_t value;

        if (get_task(world, i, field, &value) != 0)
            return -EINVAL;
        *valuep += value;
    }
    return 0;
}

static int get_swap(const struct sp_world *world, const char *field, uint64_t *valuep)
{
    struct device_status status;

    if (!world->play.scene.has_swap)
        return -ENOENT;
    status = device_status(&world->play.scene.device);
    return read_place(of_swap, field, &status, valuep) ? 0 : -EINVAL;
}

int counted_get(struct sp_world *world, bool all, const char *object, const char *field,
                uint64_t *valuep)
{
    struct physmem_status status;

    if (all)
        return strcmp(object, "tasks") == 0 ? get_all(world, field, valuep) : -ENOENT;
    if (strcmp(object, "swap") == 0)
        return get_swap(world, field, valuep);
    if (strcmp(object, "physmem") == 0) {
        physmem_get_status(world->play.scene.physmem->core, &status);
        return read_place(of_physmem, field, &status, valuep) ? 0 : -EINVAL;
    }
    for (uint32_t i = 0; i < world->roles; i++)
        if (strcmp(world->role[i]->name, object) == 0)
            return get_task(world, i, field, valuep);
    return -ENOENT;
}
