/* A power loss at every instant, without root and without a disk: an explorer.
 *
 * The swap server's own code (device.c, index.c, job.c, and filters) works on a backend that records every write and
 * sync. Then, for every prefix of the record, images are made of what a disk may hold: all that a good sync has
 * covered, and of the other writes any but up to two, of which one may be torn at a multiple of 512 bytes.
 * Writes that a failed sync was to cover stay uncertain for ever, as on Linux, which takes them for clean. On each
 * image a server starts, and
 *
 *     each page that was acknowledged, and not given up, is there, byte by byte
 *     each other load fails, or gives a page that somebody stored
 *
 * Two bugs are planted, and have to be found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xxhash.h>

#include "backend/registry.h"
#include "base/random.h"
#include "device.h"
#include "index.h"
#include "job.h"
#include "scale.h"

#define SLOTS       24u
#define CLIENTS     3u
#define BATCH       3u
#define OPS_MAX     4096u
#define PENDING_MAX 10u /* more than the writes of one request */
#define SECTOR      512u
#define NONE        UINT32_MAX

/* Instrumented code is slow: it tries fewer images. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SLOW true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SLOW true
#endif
#ifndef IS_SLOW
#define IS_SLOW scale_is_slow()
#endif

/* ---- What is recorded ---- */

enum op_kind { OP_WRITE, OP_SYNC, OP_SYNC_FAILED, OP_ACKNOWLEDGED, OP_GIVEN_UP };

struct op {
    enum op_kind kind;
    uint32_t at; /* OP_WRITE: byte of the disk */
    uint32_t bytes;
    uint8_t *data; /* ours */
    uint32_t slot; /* OP_ACKNOWLEDGED, OP_GIVEN_UP */
    uint64_t tag;
};

/* The disk, and its record: one at a time, since a backend has no other way to its test. */
static struct {
    uint8_t *bytes;
    uint32_t size;
    uint32_t head; /* bytes */
    bool exists;
    bool recording;
    double sync_errors;
    struct random_source random;
    struct op op[OPS_MAX];
    uint32_t count;
} disk;

static struct op *op_add(enum op_kind kind)
{
    struct op *op = &disk.op[disk.count++];

    assert_true(disk.count < OPS_MAX);
    *op = (struct op){.kind = kind};
    return op;
}

static int disk_write(uint64_t at, const void *bytes, uint32_t count)
{
    struct op *op;

    assert_true(at + count <= disk.size);
    assert_true(disk.recording); /* a start changes nothing */
    op = op_add(OP_WRITE);
    op->at = (uint32_t)at;
    op->bytes = count;
    op->data = malloc(count);
    assert_non_null(op->data);
    memcpy(op->data, bytes, count);
    memcpy(disk.bytes + at, bytes, count);
    return 0;
}

static int disk_read(uint64_t at, void *bytes, uint32_t count)
{
    assert_true(at + count <= disk.size);
    memcpy(bytes, disk.bytes + at, count);
    return 0;
}

static int recorder_open(void **device, const struct swap_backend_wish *wish,
                         struct swap_backend_facts *facts, struct sp_error *error)
{
    (void)error;
    if (!disk.exists) {
        disk.head = (uint32_t)wish->head;
        disk.size = disk.head + wish->pages * SWAP_PAGE;
        free(disk.bytes);
        disk.bytes = calloc(1, disk.size);
        assert_non_null(disk.bytes);
    }
    facts->existed = disk.exists;
    *device = &disk;
    return 0;
}

static int recorder_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error)
{
    (void)device;
    (void)error;
    disk.exists = true;
    facts->how = "recorded";
    return 0;
}

static int recorder_write(void *device, uint32_t page, uint32_t count, const void *pages)
{
    (void)device;
    return disk_write(disk.head + (uint64_t)page * SWAP_PAGE, pages, count * SWAP_PAGE);
}

static int recorder_read(void *device, uint32_t page, uint32_t count, void *pages)
{
    (void)device;
    return disk_read(disk.head + (uint64_t)page * SWAP_PAGE, pages, count * SWAP_PAGE);
}

static int recorder_head_write(void *device, uint64_t offset, const void *bytes, uint32_t count)
{
    (void)device;
    return disk_write(offset, bytes, count);
}

static int recorder_head_read(void *device, uint64_t offset, void *bytes, uint32_t count)
{
    (void)device;
    return disk_read(offset, bytes, count);
}

static int recorder_sync(void *device)
{
    bool fails;

    (void)device;
    if (!disk.recording)
        return 0;
    fails = random_unit(&disk.random) < disk.sync_errors;
    op_add(fails ? OP_SYNC_FAILED : OP_SYNC);
    return fails ? -EIO : 0;
}

static void recorder_close(void *device)
{
    (void)device;
}

static const struct swap_backend recorder = {
    .name = "recorder",
    .place = "",
    .help = "records",
    .keeps = true,
    .open = recorder_open,
    .finish = recorder_finish,
    .write = recorder_write,
    .read = recorder_read,
    .head_write = recorder_head_write,
    .head_read = recorder_head_read,
    .sync = recorder_sync,
    .close = recorder_close,
};

static const struct swap_backend *find(const char *device, const char **place)
{
    if (strncmp(device, "recorder:", 9) != 0)
        return backend_registry_find(device, place);
    *place = device + 9;
    return &recorder;
}

/* ---- The server's part, with its own files ---- */

struct plan {
    const char *device;
    double sync_errors;
    uint32_t images; /* at least */
    uint32_t steps;  /* requests of a record */
    double share;    /* of prefixes that are tried */
    bool compacts;   /* the filter has to make room */
    bool early;      /* planted: acknowledge before the sync */
    bool unchecked;  /* planted: the checksum is not compared */
};

static struct swap_options options_of(const struct plan *plan)
{
    struct swap_options options = SWAP_OPTIONS_DEFAULTS;

    options.slots = SLOTS;
    options.keep = true;
    options.sync = !plan->early;
    options.find = find;
    options.device = plan->device;
    options.backend = find(plan->device, &options.file);
    return options;
}

static uint64_t key_of(uint32_t client)
{
    return 1000 + client;
}

/* Pages of every second tag compress to a fourth. */
static void page_fill(uint8_t *page, uint64_t tag)
{
    for (uint32_t i = 0; i < SWAP_PAGE; i += sizeof(tag)) {
        uint64_t word = i == 0 || (tag % 2 == 0 && i >= SWAP_PAGE / 4)
                            ? tag
                            : (tag + i) * UINT64_C(0x9e3779b97f4a7c15);

        memcpy(page + i, &word, sizeof(word));
    }
}

/* The tag of a page, or 0: it is none that anybody stored. */
static uint64_t page_tag(const uint8_t *page)
{
    uint8_t wanted[SWAP_PAGE];
    uint64_t tag;

    memcpy(&tag, page, sizeof(tag));
    page_fill(wanted, tag);
    return memcmp(page, wanted, SWAP_PAGE) == 0 ? tag : 0;
}

/* A job with room for BATCH pages. */
union test_job {
    struct swap_job job;
    unsigned char room[sizeof(struct swap_job) + BATCH * sizeof(struct swap_page)];
};

static void job_begin(union test_job *job, struct swap_device *device, enum swap_job_kind kind,
                      uint32_t client, uint8_t *buffer)
{
    memset(job, 0, sizeof(*job));
    job->job.device = device;
    job->job.place = device->state;
    job->job.kind = (uint8_t)kind;
    job->job.key = key_of(client);
    job->job.number = client;
    job->job.buffer = buffer;
}

static struct swap_page *job_page(union test_job *job, uint32_t slot)
{
    struct swap_page *page = &job->job.page[job->job.count++];

    page->slot = slot;
    page->pending = true;
    return page;
}

/* The server at work. */
struct work {
    struct swap_device device;
    struct swap_map map;
    struct random_source random;
    uint8_t *buffer;
    uint64_t tag;           /* of the last page */
    uint64_t stored[SLOTS]; /* tags; 0: none */
    uint32_t owner[SLOTS];
};

static void *libc_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size > 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

static void slot_settle(struct work *work, uint32_t slot)
{
    if (work->map.slot[slot].state == SWAP_SLOT_FREE)
        swap_device_discard(&work->device, slot, 1);
}

static void work_store(struct work *work, uint32_t client)
{
    uint32_t count = 1 + random_below(&work->random, BATCH), slots[BATCH];
    union test_job job;

    if (swap_map_store(&work->map, client, count, slots) < 0)
        return;
    job_begin(&job, &work->device, SWAP_JOB_STORE, client, work->buffer);
    for (uint32_t i = 0; i < count; i++) {
        page_fill(work->buffer + (size_t)i * SWAP_PAGE, ++work->tag);
        job_page(&job, slots[i]);
    }
    swap_job_transfer(&job.job);
    for (uint32_t i = 0; i < count; i++) {
        if (job.job.page[i].error != 0) {
            assert_int_equal(swap_map_abort(&work->map, slots[i]), 0);
            slot_settle(work, slots[i]);
            continue;
        }
        assert_int_equal(swap_map_commit(&work->map, slots[i], job.job.page[i].checksum), 0);
        work->stored[slots[i]] = work->tag - count + 1 + i;
        work->owner[slots[i]] = client;
        *op_add(OP_ACKNOWLEDGED) =
            (struct op){.kind = OP_ACKNOWLEDGED, .slot = slots[i], .tag = work->stored[slots[i]]};
    }
}

static void work_free(struct work *work, uint32_t client)
{
    union test_job job;
    uint64_t checksum;

    job_begin(&job, &work->device, SWAP_JOB_FREE, client, NULL);
    for (uint32_t i = 0, slot = random_below(&work->random, SLOTS); i < SLOTS;
         i++, slot = (slot + 1) % SLOTS) {
        if (work->stored[slot] == 0 || work->owner[slot] != client || job.job.count == BATCH)
            continue;
        *op_add(OP_GIVEN_UP) = (struct op){.kind = OP_GIVEN_UP, .slot = slot};
        work->stored[slot] = 0;
        assert_int_equal(swap_map_load(&work->map, client, slot, &checksum), 0);
        assert_int_equal(swap_map_free(&work->map, client, slot), 0);
        job_page(&job, slot);
    }
    if (job.job.count == 0)
        return;
    swap_job_transfer(&job.job);
    for (uint32_t i = 0; i < job.job.count; i++) {
        assert_int_equal(swap_map_load_end(&work->map, job.job.page[i].slot), 0);
        slot_settle(work, job.job.page[i].slot);
    }
}

/* Enter a client with a reservation, as a HELLO and a RESERVE do. */
static void work_enter(struct work *work, uint32_t client)
{
    struct index_client record = {
        .key = key_of(client), .id = client + 1, .reserved = SLOTS / CLIENTS, .name = "client"};

    assert_int_equal(swap_map_add(&work->map, client, SLOTS), 0);
    assert_int_equal(swap_map_reserve(&work->map, client, SLOTS / CLIENTS, 0), 0);
    assert_int_equal(swap_index_set_client(work->device.index, client, &record), 0);
}

/* Record what a server does that starts on a new disk, and serves requests. Returns how
 * often blocks were compacted. */
static uint64_t work_record(const struct plan *plan, uint64_t seed)
{
    static const struct allocator allocator = {.resize = libc_resize};
    const struct swap_options options = options_of(plan);
    struct work work = {.random = random_seeded(seed)};
    struct sp_error error;
    uint32_t clients = 0;
    uint64_t compactions;

    disk.exists = false;
    disk.recording = true;
    disk.random = random_seeded(seed);
    disk.sync_errors = 0; /* while it starts: it would not */
    work.buffer = aligned_alloc(SWAP_PAGE, BATCH * SWAP_PAGE);
    assert_non_null(work.buffer);
    assert_int_equal(swap_map_init(&work.map, SLOTS, allocator), 0);
    assert_int_equal(swap_device_open(&work.device, &options, &error), 0);
    if (plan->early) /* the device is whole; it is stores that are not waited for */
        op_add(OP_SYNC);
    disk.sync_errors = plan->sync_errors;
    for (uint32_t step = 0; step < plan->steps; step++) {
        if (clients < CLIENTS && step % 5 == 0)
            work_enter(&work, clients++);
        if (random_below(&work.random, 3) == 0)
            work_free(&work, random_below(&work.random, clients));
        else
            work_store(&work, random_below(&work.random, clients));
    }
    disk.recording = false;
    compactions = swap_device_counts(&work.device).compactions;
    swap_device_close(&work.device);
    swap_map_fini(&work.map);
    free(work.buffer);
    return compactions;
}

/* ---- What a disk may hold ---- */

/* Which of the pending writes are lost, and which is torn. */
struct loss {
    uint32_t lost[2]; /* indices of the pending writes, or NONE */
    uint32_t torn;
    uint32_t cut; /* sectors of `torn` that */
    bool late;    /* were lost, or that were written */
    bool all;     /* everything is lost */
};

struct explorer {
    const struct plan *plan;
    uint8_t *base;    /* what is certain */
    uint8_t *touched; /* blocks of the image that are not those of the base */
    struct random_source random;
    uint32_t pending[PENDING_MAX]; /* writes that may be lost */
    bool uncertain[PENDING_MAX];   /* a sync that was to cover it has failed */
    uint32_t pending_count;
    uint64_t expected[SLOTS];
    uint64_t images;
    uint64_t wrong; /* images on which a rule is broken */
    uint8_t *buffer;
};

static void bytes_put(struct explorer *explorer, const struct op *op, uint32_t from, uint32_t to)
{
    if (from >= to)
        return;
    memcpy(disk.bytes + op->at + from, op->data + from, to - from);
    for (uint32_t block = (op->at + from) / SWAP_PAGE; block <= (op->at + to - 1) / SWAP_PAGE;
         block++)
        explorer->touched[block] = 1;
}

/* Byte of a write at which its `cut`-th sector begins. */
static uint32_t cut_byte(const struct op *op, uint32_t cut)
{
    uint32_t byte = cut * SECTOR - (cut > 0 ? op->at % SECTOR : 0);

    return byte < op->bytes ? byte : op->bytes;
}

static uint32_t sectors_of(const struct op *op)
{
    return (op->at % SECTOR + op->bytes + SECTOR - 1) / SECTOR;
}

static void image_make(struct explorer *explorer, const struct loss *loss)
{
    for (uint32_t i = 0; i < explorer->pending_count && !loss->all; i++) {
        const struct op *op = &disk.op[explorer->pending[i]];
        uint32_t cut = i == loss->torn ? cut_byte(op, loss->cut) : 0;

        if (i == loss->lost[0] || i == loss->lost[1])
            continue;
        if (i != loss->torn)
            bytes_put(explorer, op, 0, op->bytes);
        else if (loss->late)
            bytes_put(explorer, op, 0, cut);
        else
            bytes_put(explorer, op, cut, op->bytes);
    }
}

static void image_undo(struct explorer *explorer)
{
    for (uint32_t block = 0; block < disk.size / SWAP_PAGE; block++) {
        if (!explorer->touched[block])
            continue;
        memcpy(disk.bytes + (size_t)block * SWAP_PAGE, explorer->base + (size_t)block * SWAP_PAGE,
               SWAP_PAGE);
        explorer->touched[block] = 0;
    }
}

/* Load a slot as its record says. Returns the error, and the page's tag, 0 for no page at all. */
static int slot_load(struct explorer *explorer, struct swap_device *device, uint32_t slot,
                     uint64_t *tag)
{
    const struct index_slot *record = swap_index_slot(device->index, slot);
    const struct index_client *client =
        record == NULL ? NULL : swap_index_client(device->index, record->client);
    union test_job job;
    int error;

    *tag = 0;
    if (client == NULL || client->key != record->key)
        return -ENOENT;
    job_begin(&job, device, SWAP_JOB_LOAD, record->client, explorer->buffer);
    job_page(&job, slot)->checksum = record->checksum;
    swap_job_transfer(&job.job);
    error = job.job.page[0].error;
    if (explorer->plan->unchecked && error == -EBADMSG)
        error = swap_device_read(device, device->state, slot, 1, explorer->buffer);
    if (error == 0)
        *tag = page_tag(explorer->buffer);
    return error;
}

/* Start a server on the image. Returns whether the rules hold. */
static bool image_holds(struct explorer *explorer)
{
    const struct swap_options options = options_of(explorer->plan);
    struct swap_device device;
    struct sp_error error;
    bool good = swap_device_open(&device, &options, &error) == 0;

    for (uint32_t slot = 0; good && slot < SLOTS; slot++) {
        uint64_t tag;
        int code = slot_load(explorer, &device, slot, &tag);

        if (explorer->expected[slot] != 0)
            good = code == 0 && tag == explorer->expected[slot];
        else
            good = code != 0 || tag != 0;
    }
    swap_device_close(&device);
    return good;
}

static void image_try(struct explorer *explorer, const struct loss *loss, uint32_t prefix)
{
    image_make(explorer, loss);
    explorer->images++;
    if (!image_holds(explorer)) {
        if (explorer->wrong++ == 0 && !explorer->plan->early && !explorer->plan->unchecked)
            print_message("after %u of the record: lost %d and %d, torn %d at %u, all %d\n", prefix,
                          (int)loss->lost[0], (int)loss->lost[1], (int)loss->torn, loss->cut,
                          loss->all);
    }
    image_undo(explorer);
}

static void tear_try(struct explorer *explorer, uint32_t torn, uint32_t lost, uint32_t cut,
                     uint32_t prefix)
{
    struct loss loss = {.lost = {lost, NONE}, .torn = torn, .cut = cut};

    image_try(explorer, &loss, prefix);
    loss.late = true;
    image_try(explorer, &loss, prefix);
}

/* Every tear of one write, and one of each pair of a torn write and a lost one. */
static void tears_try(struct explorer *explorer, uint32_t torn, uint32_t prefix)
{
    uint32_t sectors = sectors_of(&disk.op[explorer->pending[torn]]);

    for (uint32_t cut = 1; cut < sectors; cut++)
        tear_try(explorer, torn, NONE, cut, prefix);
    for (uint32_t lost = 0; sectors > 1 && lost < explorer->pending_count; lost++)
        if (lost != torn)
            tear_try(explorer, torn, lost, 1 + random_below(&explorer->random, sectors - 1),
                     prefix);
}

/* Every image of one prefix. */
static void prefix_try(struct explorer *explorer, uint32_t prefix)
{
    uint32_t count = explorer->pending_count;

    image_try(explorer, &(struct loss){.lost = {NONE, NONE}, .torn = NONE}, prefix);
    image_try(explorer, &(struct loss){.lost = {NONE, NONE}, .torn = NONE, .all = true}, prefix);
    for (uint32_t i = 0; i < count; i++) {
        image_try(explorer, &(struct loss){.lost = {i, NONE}, .torn = NONE}, prefix);
        for (uint32_t j = 0; j < i; j++)
            image_try(explorer, &(struct loss){.lost = {i, j}, .torn = NONE}, prefix);
        tears_try(explorer, i, prefix);
    }
}

/* The i-th pending write is on the disk, whatever becomes of others. What an older one of them would write to
 * the same bytes is gone: it cannot come after this one. */
static void pending_write(struct explorer *explorer, uint32_t i)
{
    const struct op *op = &disk.op[explorer->pending[i]];

    memcpy(explorer->base + op->at, op->data, op->bytes);
    memcpy(disk.bytes + op->at, op->data, op->bytes);
    for (uint32_t older = 0; older < i; older++) {
        struct op *other = &disk.op[explorer->pending[older]];
        uint32_t from = other->at > op->at ? other->at : op->at;
        uint32_t to = other->at + other->bytes < op->at + op->bytes ? other->at + other->bytes
                                                                    : op->at + op->bytes;

        if (from < to)
            memcpy(other->data + (from - other->at), op->data + (from - op->at), to - from);
    }
}

static void pending_remove(struct explorer *explorer, uint32_t i)
{
    explorer->pending_count--;
    memmove(explorer->pending + i, explorer->pending + i + 1,
            (explorer->pending_count - i) * sizeof(explorer->pending[0]));
    memmove(explorer->uncertain + i, explorer->uncertain + i + 1,
            (explorer->pending_count - i) * sizeof(explorer->uncertain[0]));
}

/* A good sync makes those writes certain that no failed one was to cover. */
static void pending_settle(struct explorer *explorer)
{
    for (uint32_t i = 0; i < explorer->pending_count;) {
        if (explorer->uncertain[i]) {
            i++;
            continue;
        }
        pending_write(explorer, i);
        pending_remove(explorer, i);
    }
}

/* Too many are pending: the oldest was lost, or not. */
static void pending_forget(struct explorer *explorer)
{
    if (random_below(&explorer->random, 2) == 0)
        pending_write(explorer, 0);
    pending_remove(explorer, 0);
}

static void op_replay(struct explorer *explorer, uint32_t number)
{
    const struct op *op = &disk.op[number];

    switch (op->kind) {
    case OP_WRITE:
        if (explorer->pending_count == PENDING_MAX)
            pending_forget(explorer);
        explorer->uncertain[explorer->pending_count] = false;
        explorer->pending[explorer->pending_count++] = number;
        break;
    case OP_SYNC:
        pending_settle(explorer);
        break;
    case OP_SYNC_FAILED:
        for (uint32_t i = 0; i < explorer->pending_count; i++)
            explorer->uncertain[i] = true;
        break;
    case OP_ACKNOWLEDGED:
        explorer->expected[op->slot] = op->tag;
        break;
    case OP_GIVEN_UP:
        explorer->expected[op->slot] = 0;
        break;
    }
}

/* All images of the record, up to `most` in all. */
static void record_explore(struct explorer *explorer, uint64_t most)
{
    bool begun = false; /* the device has been made: before that nothing is promised */

    memset(disk.bytes, 0, disk.size);
    memset(explorer->base, 0, disk.size);
    memset(explorer->expected, 0, sizeof(explorer->expected));
    explorer->pending_count = 0;
    for (uint32_t i = 0; i < disk.count && explorer->images < most; i++) {
        op_replay(explorer, i);
        begun = begun || disk.op[i].kind == OP_SYNC;
        if (begun && random_unit(&explorer->random) < explorer->plan->share)
            prefix_try(explorer, i + 1);
    }
}

static void record_free(void)
{
    for (uint32_t i = 0; i < disk.count; i++)
        free(disk.op[i].data);
    disk.count = 0;
}

/* Explore as many images as the plan wants. Returns on how many a rule is broken. */
static uint64_t plan_explore(const struct plan *plan)
{
    struct explorer explorer = {.plan = plan, .random = random_seeded(1)};
    uint32_t most = IS_SLOW ? 600 : plan->images;
    uint64_t compactions = 0;
    clock_t begun;
    double seconds = 0;

    explorer.buffer = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    assert_non_null(explorer.buffer);
    for (uint64_t seed = 1; explorer.images < most && seed < 1000; seed++) {
        compactions += work_record(plan, seed);
        explorer.base = malloc(disk.size);
        explorer.touched = calloc(disk.size / SWAP_PAGE, 1);
        assert_true(explorer.base != NULL && explorer.touched != NULL);
        begun = clock();
        record_explore(&explorer, explorer.images + most / 4 + 1);
        seconds += (double)(clock() - begun) / CLOCKS_PER_SEC;
        record_free();
        free(explorer.base);
        free(explorer.touched);
    }
    free(explorer.buffer);
    free(disk.bytes);
    disk.bytes = NULL;
    assert_true(explorer.images >= most);
    assert_true(!plan->compacts || compactions > 0);
    print_message("%s %u images, %.0f a minute of processor time, %u wrong\n", plan->device,
                  (unsigned)explorer.images, (double)explorer.images * 60 / seconds,
                  (unsigned)explorer.wrong);
    /* So that more are tried than anybody would on a disk. */
    if (!IS_SLOW)
        assert_true((double)explorer.images * 60 / seconds >= 100000);
    return explorer.wrong;
}

static void nothing_acknowledged_is_lost(void **state)
{
    assert_int_equal(plan_explore(*state), 0);
}

static void a_planted_bug_is_found(void **state)
{
    assert_true(plan_explore(*state) > 0);
}

int main(void)
{
    static struct plan plain = {.device = "recorder:", .steps = 20, .share = 1, .images = 24000};
    static struct plan failing = {
        .device = "recorder:", .sync_errors = 0.2, .steps = 30, .share = 0.5, .images = 24000};
    static struct plan compressed = {
        .device = "zstd:recorder:", .steps = 20, .share = 1, .images = 8000};
    static struct plan tight = {.device = "lz4:ratio=3:recorder:",
                                .sync_errors = 0.05,
                                .steps = 60,
                                .share = 0.1,
                                .compacts = true,
                                .images = 24000};
    static struct plan early = {
        .device = "recorder:", .early = true, .steps = 20, .share = 1, .images = 4000};
    static struct plan unchecked = {
        .device = "recorder:", .unchecked = true, .steps = 20, .share = 1, .images = 4000};
    const struct CMUnitTest tests[] = {
        {"after any crash", nothing_acknowledged_is_lost, NULL, NULL, &plain},
        {"after any crash, with syncs that fail", nothing_acknowledged_is_lost, NULL, NULL,
         &failing},
        {"after any crash, compressed", nothing_acknowledged_is_lost, NULL, NULL, &compressed},
        {"after any crash, compressed, in little room, with syncs that fail",
         nothing_acknowledged_is_lost, NULL, NULL, &tight},
        {"planted: acknowledged before the sync", a_planted_bug_is_found, NULL, NULL, &early},
        {"planted: checksums are not compared", a_planted_bug_is_found, NULL, NULL, &unchecked},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
