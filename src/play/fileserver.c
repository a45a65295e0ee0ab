#include "play/fileserver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "core/containers/container.h"
#include "core/physmem/task.h"
#include "play/files.h"
#include "play/server.h"

/* How long it locks the container of a client, at most. */
#define LOCK_NS UINT64_C(1000000000)

/* How long it waits while physmem hangs, until it looks again. */
#define HANG_LOOK_NS UINT64_C(1000000)

/* ---- Requests to physmem ---- */

static struct physmem *core_of(const struct scene *scene)
{
    return scene->physmem[0].core;
}

static struct physmem_request next_request(struct scene *scene)
{
    struct scene_files *files = &scene->files;

    files->answered = false;
    files->seq = ++scene->seq;
    return (struct physmem_request){files->task, files->seq, false};
}

/* The answer to the last request, after a round trip; NULL: it has not come. */
static const struct physmem_effect *answer(struct scene *scene)
{
    scene->files.trips++;
    server_effects(scene);
    return scene->files.answered ? &scene->files.reply : NULL;
}

/* Why there is none, or the error that it says; 0: it is good. */
static int error_of(const struct physmem_effect *reply)
{
    return reply == NULL ? EIO : (int)reply->error;
}

/* ---- Frames of the cache ---- */

typedef void frames_request(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t container,
                            const struct physmem_range *ranges, uint32_t count);

/* Ask something about the slots of a chunk. Returns how many it came to. */
static uint32_t ask_frames(struct scene *scene, frames_request *ask, uint32_t chunk)
{
    const struct physmem_range range = {chunk * CHUNKS_PAGES, CHUNKS_PAGES};
    const struct physmem_request request = next_request(scene);
    const struct physmem_effect *reply;

    ask(core_of(scene), scene->now, &request, scene->files.container, &range, 1);
    reply = answer(scene);
    return error_of(reply) == 0 ? reply->count : 0;
}

/* For good. */
static uint32_t give_back(struct scene *scene, uint32_t chunk)
{
    chunks_give_back(&scene->files.chunks, chunk);
    return ask_frames(scene, physmem_frames_deallocate, chunk);
}

/* The frames of another chunk than this. False if none has any. */
static bool give_back_other(struct scene *scene, uint32_t but)
{
    uint32_t giver = chunks_giver(&scene->files.chunks, but);

    return giver != CHUNKS_NONE && give_back(scene, giver) > 0;
}

static const struct physmem_effect *allocate(struct scene *scene, uint32_t chunk)
{
    const struct physmem_request request = next_request(scene);
    const struct physmem_allocation allocation = {
        .container = scene->files.container,
        .start = chunk * CHUNKS_PAGES,
        .count = CHUNKS_PAGES,
        .flags = PHYSMEM_SQUASH | PHYSMEM_EXTRA,
    };

    physmem_allocate(core_of(scene), scene->now, &request, &allocation);
    return answer(scene);
}

/* See that a chunk has frames. EAGAIN: physmem lets it wait. */
static int take_frames(struct scene *scene, uint32_t chunk)
{
    struct scene_files *files = &scene->files;
    const struct physmem_effect *reply = files->waits ? &files->reply : allocate(scene, chunk);

    files->waits = false;
    while (reply != NULL && reply->error == ENOMEM && give_back_other(scene, chunk))
        reply = allocate(scene, chunk);
    if (reply == NULL) {
        files->waits = true;
        return EAGAIN;
    }
    if (reply->error != 0)
        return (int)reply->error;
    chunks_frame(&files->chunks, chunk);
    return 0;
}

/* Write its pages (files_tell does it), by rights that it has only meanwhile. */
static int write_pages(struct scene *scene, uint32_t chunk)
{
    uint32_t first = chunk * CHUNKS_PAGES, mapped = 0;
    int error = 0;

    while (mapped < CHUNKS_PAGES && error == 0) {
        const struct physmem_request request = next_request(scene);
        const struct physmem_effect *reply;

        physmem_map(core_of(scene), scene->now, &request, scene->files.container, first + mapped,
                    CHUNKS_PAGES - mapped, SLOT_READ | SLOT_WRITE);
        reply = answer(scene);
        error = error_of(reply);
        mapped += error == 0 ? reply->mapped.count : 0;
    }
    (void)ask_frames(scene, physmem_unmap_own, chunk);
    return error;
}

/* Release frames softly, or, of what holds nothing, for good. */
static void release(struct scene *scene)
{
    struct scene_files *files = &scene->files;
    struct chunks *chunks = &files->chunks;
    uint32_t wanted = files->recalled, released = 0;

    files->recalled = 0;
    for (uint32_t i = chunks_next(chunks, CHUNKS_NONE); i != CHUNKS_NONE && released < wanted;
         i = chunks_next(chunks, i)) {
        uint32_t count;

        if (chunks->place[i].state == CHUNK_EMPTY) {
            released += give_back(scene, i);
            continue;
        }
        count = ask_frames(scene, physmem_frames_release, i);
        released += count;
        if (count > 0)
            chunks_release(chunks, i);
    }
    files->trips = 0;
}

/* ---- Requests of tasks ---- */

/* A part of a file that the cache has, hard again; CHUNKS_NONE: it has to be read. */
static uint32_t find(struct scene *scene, const struct letter *letter)
{
    struct scene_files *files = &scene->files;
    uint32_t chunk = files_find(files, letter->request.number, letter->request.slot);
    bool soft = chunk != CHUNKS_NONE && files->chunks.place[chunk].state == CHUNK_SOFT;

    if (soft && ask_frames(scene, physmem_frames_recover, chunk) != CHUNKS_PAGES) {
        (void)give_back(scene, chunk);
        return CHUNKS_NONE;
    }
    if (chunk == CHUNKS_NONE)
        return CHUNKS_NONE;
    if (soft)
        chunks_recover(&files->chunks, chunk);
    files->counted.hits++;
    files->counted.recovered += soft;
    chunks_use(&files->chunks, chunk);
    return chunk;
}

/* Read it into the victim. */
static int fill(struct scene *scene, const struct letter *letter)
{
    struct scene_files *files = &scene->files;
    int error = take_frames(scene, files->victim);

    if (error == EAGAIN)
        return error;
    files->part[files->victim] = (struct scene_part){letter->request.number, letter->request.slot};
    if (error == 0)
        error = write_pages(scene, files->victim);
    if (error == 0) {
        chunks_hold(&files->chunks, files->victim);
        chunks_use(&files->chunks, files->victim);
    }
    return error;
}

/* Lock the container of the client, copy, unlock: all in one round trip. */
static int deliver(struct scene *scene, const struct letter *letter, uint32_t chunk)
{
    const struct physmem_piece piece = {chunk * CHUNKS_PAGES, 0,
                                        (letter->request.count + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE};
    struct scene_files *files = &scene->files;
    uint32_t to = letter->request.container, trips = files->trips;
    struct physmem_request request = next_request(scene);
    int error, later;

    if (piece.count == 0)
        return 0;
    physmem_lock(core_of(scene), scene->now, &request, to, LOCK_NS, false);
    error = error_of(answer(scene));
    request = next_request(scene);
    physmem_copy(core_of(scene), scene->now, &request, files->container, to, &piece, 1);
    later = error_of(answer(scene));
    error = error != 0 ? error : later;
    request = next_request(scene);
    physmem_lock_end(core_of(scene), scene->now, &request, to);
    later = error_of(answer(scene));
    files->trips = trips + 1;
    return error != 0 ? error : later;
}

/* EAGAIN: it waits for frames. */
static int serve_read(struct scene *scene, const struct letter *letter)
{
    struct scene_files *files = &scene->files;
    uint32_t chunk = files->victim;
    int error = 0;

    if (files->victim == CHUNKS_NONE) { /* otherwise it has waited for frames */
        chunk = find(scene, letter);
        if (chunk == CHUNKS_NONE) {
            files->counted.misses++;
            files->victim = chunks_victim(&files->chunks);
            chunks_forget(&files->chunks, files->victim);
        }
    }
    if (files->victim != CHUNKS_NONE) {
        error = fill(scene, letter);
        if (error == EAGAIN)
            return error;
        chunk = files->victim;
        files->victim = CHUNKS_NONE;
    }
    if (error == 0)
        error = deliver(scene, letter, chunk);
    if (error == 0)
        files->counted.bytes += letter->request.count;
    else
        files->counted.refused++;
    return error;
}

/* A client has come, with a container for what it reads. */
static int serve_share(struct scene *scene, const struct letter *letter)
{
    const struct physmem_request request = next_request(scene);

    physmem_share_adopt(core_of(scene), scene->now, &request, letter->request.container,
                        letter->request.number);
    return error_of(answer(scene));
}

static bool physmem_hangs(const struct scene *scene)
{
    return scene->server[SCENE_PHYSMEM].hangs;
}

static void go_on_at(struct scene *scene, uint64_t when)
{
    scene_at(scene, when, SCENE_FILES, 0, scene->files.life, FILES_GO_ON);
}

static void tell_client(struct scene *scene, struct letter *letter, uint64_t after, int error)
{
    scene_at(scene, scene->now + after + scene->costs.round_trip / 2, SCENE_FROM_FILES,
             letter->actor, letter->life, (uint64_t)error);
    scene_drop(scene, letter);
}

/* The first request was served, which has taken its time. */
static void finish(struct scene *scene, int error)
{
    struct scene_files *files = &scene->files;
    struct letter *letter = files->first;
    uint64_t took = files->trips * scene->costs.round_trip;

    files->first = letter->next;
    if (files->first == NULL)
        files->last = NULL;
    files->trips = 0;
    files->busy_until = scene->now + took;
    tell_client(scene, letter, took, error);
}

/* Do what can be done now. */
static void go_on(struct scene *scene)
{
    struct scene_files *files = &scene->files;

    while (files->task != NULL && !files->hangs && (!files->waits || files->answered)) {
        int error;

        if (physmem_hangs(scene)) {
            go_on_at(scene, scene->now + HANG_LOOK_NS);
            return;
        }
        if (!files->waits)
            release(scene);
        if (files->first == NULL)
            return;
        if (scene->now < files->busy_until) {
            if (files->wakes_at != files->busy_until)
                go_on_at(scene, files->wakes_at = files->busy_until);
            return;
        }
        error = files->first->kind == LETTER_READ ? serve_read(scene, files->first)
                                                  : serve_share(scene, files->first);
        if (!files->waits)
            finish(scene, error);
    }
}

void fileserver_hear(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;
    struct scene_files *files = &scene->files;

    if (letter->life != actor->life || actor->state == THREAD_ENDED) {
        scene_drop(scene, letter);
        return;
    }
    if (files->task == NULL || actor->files.life != files->life) {
        tell_client(scene, letter, 0, EPIPE);
        return;
    }
    files->counted.messages++;
    files->counted.reads += letter->kind == LETTER_READ;
    letter->next = NULL;
    if (files->last != NULL)
        files->last->next = letter;
    else
        files->first = letter;
    files->last = letter;
    go_on(scene);
}

/* ---- Its life ---- */

/* Returns NULL, or why there is no contract. */
static const char *conclude(struct scene *scene, const struct sp_terms *terms, char why[SCENE_TEXT])
{
    struct physmem_request request = next_request(scene);
    const struct physmem_effect *reply;

    physmem_contract_propose(core_of(scene), scene->now, &request, terms);
    reply = answer(scene);
    if (error_of(reply) == 0 && reply->offer.offer.answer == SP_COUNTERED &&
        reply->offer.offer.terms.frames >= terms->min) {
        uint32_t number = reply->offer.offer.contract;

        request = next_request(scene);
        physmem_contract_accept(core_of(scene), scene->now, &request, number);
        reply = answer(scene);
    }
    if (error_of(reply) == 0 && reply->offer.offer.answer == SP_ACCEPTED)
        return NULL;
    snprintf(why, SCENE_TEXT, "physmem grants it no contract for %u %s frames", terms->frames,
             terms_text_kind(terms->kind));
    return why;
}

static bool make_container(struct scene *scene)
{
    struct scene_files *files = &scene->files;
    const struct physmem_request request = next_request(scene);
    const struct physmem_effect *reply;

    if (!files_make_cache(scene, files->config->cache))
        return false;
    physmem_container_create(core_of(scene), scene->now, &request,
                             files->chunks.count * CHUNKS_PAGES);
    reply = answer(scene);
    if (error_of(reply) == 0)
        files->container = reply->container.container;
    return error_of(reply) == 0;
}

const char *fileserver_start(struct scene *scene, char why[SCENE_TEXT])
{
    struct scene_files *files = &scene->files;
    const struct fileserver_config *config = files->config;
    const char *wrong = NULL;

    check(files->task == NULL && core_of(scene) != NULL);
    files->victim = CHUNKS_NONE;
    files->hangs = files->waits = false;
    files->recalled = 0;
    files->busy_until = files->wakes_at = scene->now;
    memset(&files->counted, 0, sizeof(files->counted)); /* it is another process */
    if (!server_enter_files(scene))
        return "there is no memory";
    for (uint32_t i = 0; i < config->contracts && wrong == NULL; i++)
        wrong = conclude(scene, &config->wanted[i].terms, why);
    if (wrong == NULL && !make_container(scene))
        wrong = "there is no memory";
    files->trips = 0;
    if (wrong != NULL)
        fileserver_end(scene, false);
    return wrong;
}

void fileserver_end(struct scene *scene, bool lost)
{
    struct scene_files *files = &scene->files;

    if (files->task == NULL)
        return;
    if (!lost) {
        physmem_task_disconnected(core_of(scene), scene->now, files->task);
        server_effects(scene);
        physmem_task_gone(core_of(scene), scene->now, files->task);
    }
    files->task = NULL;
    files->life++;
    files->hangs = files->waits = false;
    while (files->first != NULL) {
        struct letter *letter = files->first;

        files->first = letter->next;
        tell_client(scene, letter, 0, EPIPE);
    }
    files->last = NULL;
    files->counted.clients = files->counted.files = 0;
    files->counted.cached = chunks_pages(&files->chunks);
    files_free_cache(scene);
    if (!lost)
        server_effects(scene);
}

static void renew(struct scene *scene, uint32_t number)
{
    const struct fileserver_config *config = scene->files.config;
    struct physmem_request request = {scene->files.task, ++scene->seq, false};

    if (number == 0 || number > config->contracts)
        return;
    physmem_contract_renew(core_of(scene), scene->now, &request, number,
                           config->wanted[number - 1].terms.term_ns);
    server_effects(scene);
}

void fileserver_happen(struct scene *scene, const struct queue_entry *entry)
{
    struct scene_files *files = &scene->files;
    uint32_t value = (uint32_t)(entry->value[0] >> FILES_EVENT_BITS);

    if (files->task == NULL || entry->value[1] != files->life)
        return;
    switch ((enum files_event)(entry->value[0] & ((1u << FILES_EVENT_BITS) - 1))) {
    case FILES_GO_ON:
        break;
    case FILES_RELEASE:
        files->recalled += value;
        break;
    case FILES_RENEW:
        renew(scene, value);
        break;
    case FILES_END:
        fileserver_end(scene, false);
        return;
    }
    go_on(scene);
}

void fileserver_resume(struct scene *scene)
{
    scene->files.hangs = false;
    go_on(scene);
}

void fileserver_fini(struct scene *scene)
{
    struct scene_files *files = &scene->files;

    while (files->first != NULL) {
        struct letter *letter = files->first;

        files->first = letter->next;
        scene_drop(scene, letter);
    }
    files_free_cache(scene);
}
