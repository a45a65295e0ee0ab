#include "play/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/assert.h"
#include "play/errands.h"
#include "play/pages.h"

/* References in a row, and faults that need no other, that nothing comes between: at most as long as a thread takes to wake
 * up. What is sent to the task in the meantime finds them made. */
#define TURN_NS    UINT64_C(50000)
#define TURN_STEPS 1000u /* in case they take no time */

/* How long a fault waits before it asks again whether physmem has a frame, or whether stores that the control
 * thread has sent are answered. */
#define FRAME_PAUSE_NS UINT64_C(5000000)
#define STORE_PAUSE_NS UINT64_C(1000000)

/* How long a reference to a frame that is gone waits for physmem to say why. */
#define LOST_PAUSE_NS UINT64_C(1000000)

/* How long it waits until it asks again for a part of a file, for which the server had no frames. */
#define READ_PAUSE_NS UINT64_C(1000000)

/* Exit statuses of a live task. */
#define EXIT_DIED    THREAD_DIED
#define EXIT_REVOKED (128 + SIGBUS)

/* As in a live task: frames that are few. */
#define FRAMES_FEW 12u

static void go_on(struct actor *actor);

const char *thread_about(const struct actor *actor)
{
    static const char *const words[] = {
        [THREAD_AWAY] = "not there yet",
        [THREAD_COMES] = "waits for physmem's answer about its contracts",
        [THREAD_RUNS] = "runs",
        [THREAD_FAULTS] = "is in a fault",
        [THREAD_LOADS] = "waits for pages from swap",
        [THREAD_REFILLS] = "is in a fault",
        [THREAD_ALLOCATES] = "waits for frames",
        [THREAD_MAPS] = "waits for rights to frames",
        [THREAD_GRANTS] = "waits for rights to frames",
        [THREAD_AWAITS] = "waits for another thread",
        [THREAD_AWAITS_STORE] = "waits for a write to swap",
        [THREAD_AWAITS_FRAME] = "waits for frames that physmem has not now",
        [THREAD_ENDED] = "has ended",
    };

    return reading_waits(actor) && actor->state == THREAD_RUNS ? "waits for a file"
                                                               : words[actor->state];
}

void thread_end(struct actor *actor, int exit_status)
{
    actor->state = THREAD_ENDED;
    actor->exit_status = exit_status;
    actor->ended = actor->scene->now;
    actor->turn++;
    actor->scene->endings++;
}

/* ---- Faults ---- */

/* Ask the pager about the fault. Returns whether it has mapped a frame that was at hand, which takes its time; then
 * nothing is waited for. */
static bool consult(struct actor *actor)
{
    uint64_t frames = actor->stats.faults;

    actor->events_seen = actor->events;
    actor->progress_seen = actor->progress;
    pager_work_clear(&actor->errands);
    actor->verdict = pager_fault(&actor->pager, actor->fault_page, actor->fault_write);
    pager_shell_collect(&actor->shell, &actor->errands);
    actor->brought_in = actor->errands.loads > 0 || actor->errands.refill;
    if (actor->verdict == PAGER_WAIT_STORE && !actor->waited) {
        actor->stats.waits++;
        actor->waited = true;
    }
    return actor->stats.faults != frames && !actor->brought_in;
}

static void ask(struct actor *actor)
{
    if (consult(actor)) {
        actor->state = THREAD_FAULTS;
        errands_turn(actor, actor->scene->costs.frame);
        return;
    }
    go_on(actor);
}

/* What the thread did in the fault beside what is counted as it happens: it mapped pages that were read (one frame, and
 * more if they are not all neighbours), had references noted, and sent pages away. */
static uint64_t cost_of_fault(const struct actor *actor)
{
    const struct costs *costs = &actor->scene->costs;
    uint64_t pieces = actor->shell.pieces - actor->pieces;
    uint64_t cost = (actor->shell.watches - actor->watches) * costs->watch +
                    (actor->sent - actor->sent_before) * costs->message;

    if (actor->read)
        cost += costs->frame + (pieces > 1 ? (pieces - 1) * costs->piece : 0);
    return cost;
}

/* The fault is over; the reference is made again after so long. */
static uint64_t end_fault(struct actor *actor)
{
    uint64_t cost = cost_of_fault(actor);

    actor->state = THREAD_RUNS;
    actor->waited = false;
    actor->pauses = 0;
    actor->read = false;
    return cost;
}

static void resume(struct actor *actor)
{
    errands_turn(actor, end_fault(actor));
}

/* Send an allocation or a request for rights. */
static void send_request(struct actor *actor, enum letter_kind kind, uint32_t slot, uint32_t count,
                         enum thread_state state)
{
    struct letter *letter = errands_letter(actor, kind);

    if (letter == NULL)
        return;
    letter->request.slot = slot;
    letter->request.count = count;
    letter->request.extra = actor->errands.extra;
    letter->request.seq = actor->asked = ++actor->scene->seq;
    actor->state = state;
    errands_post(actor, letter, LANE_PHYSMEM);
}

/* Wait for a store of this thread, unless one was answered since the pager was asked. */
static void await_store(struct actor *actor)
{
    thread_read_answers(actor);
    if (actor->progress != actor->progress_seen) {
        ask(actor);
        return;
    }
    if (actor->stores_sent > 0) {
        actor->state = THREAD_AWAITS_STORE;
        return;
    }
    actor->state = THREAD_AWAITS;
    errands_turn(actor, STORE_PAUSE_NS);
}

static void await_event(struct actor *actor, enum thread_state state, uint64_t pause)
{
    if (actor->events != actor->events_seen) {
        if (state == THREAD_AWAITS_FRAME)
            pager_growth_possible(&actor->pager);
        ask(actor);
        return;
    }
    actor->state = state;
    if (pause > 0)
        errands_turn(actor, pause);
}

/* Nothing is left to do for what the pager said last. */
static void follow_verdict(struct actor *actor)
{
    switch (actor->verdict) {
    case PAGER_CALL:
        if (actor->brought_in)
            resume(actor);
        else
            ask(actor);
        break;
    case PAGER_DONE:
    case PAGER_NO_PAGE:
        resume(actor);
        break;
    case PAGER_WAIT:
        await_event(actor, THREAD_AWAITS, 0);
        break;
    case PAGER_WAIT_STORE:
        await_store(actor);
        break;
    case PAGER_WAIT_GROWTH:
        await_event(actor, THREAD_AWAITS_FRAME, FRAME_PAUSE_NS);
        break;
    case PAGER_STUCK:
    case PAGER_DEAD:
        thread_end(actor, EXIT_DIED);
        break;
    }
}

/* Carry out a turn's effects, and tell the pager which mappings have gone only then, as a live task does. */
static void end_turn(struct actor *actor, struct pager_work *errands)
{
    sp_page going[PAGER_TURN_RUN_PAGES];
    struct pager_effect effect;
    uint32_t count = 0;

    while (pager_next_effect(&actor->pager, &effect)) {
        if (effect.kind == EFFECT_UNMAP && effect.apart) {
            ensure(count < PAGER_TURN_RUN_PAGES);
            going[count++] = effect.page;
        }
        if (!pager_shell_carry_out(&actor->shell, &effect))
            pager_work_note(errands, &effect);
    }
    for (uint32_t i = 0; i < count; i++)
        (void)pager_evict_unmapped(&actor->pager, going[i]);
    pager_shell_collect(&actor->shell, errands);
    check(actor->pager.going == 0);
}

/* Evict pages while others are read, and store as many as one message carries. */
static void evict_meanwhile(struct actor *actor, uint32_t loads)
{
    uint32_t most = pager_ahead_turn(loads);
    struct pager_work errands;
    bool more = true;

    pager_work_clear(&errands);
    for (uint32_t turns = 0; more && turns < PAGER_BATCH / PAGER_TURN_PAGES; turns++) {
        more = pager_ahead_evict(&actor->pager, most);
        end_turn(actor, &errands);
        if (errands.stores + most > actor->pager.config.batch || errands.returns > 0)
            break;
    }
    check(errands.loads == 0 && !errands.refill && !errands.allocate && !errands.grant);
    errands_return(actor, &errands);
    errands_swap(actor, &errands, LANE_SWAP);
}

/* Read pages, and have swap write others meanwhile. */
static void load(struct actor *actor)
{
    struct pager_work *errands = &actor->errands;
    uint32_t loads = errands->loads;

    actor->state = THREAD_LOADS;
    errands_load(actor, errands);
    errands_swap(actor, errands, LANE_SWAP);
    if (actor->pager.late_wanted > 0)
        evict_meanwhile(actor, loads);
}

/* Do what the pager wants, up to the first thing to wait for. */
static void go_on(struct actor *actor)
{
    struct pager_work *errands = &actor->errands;

    errands_return(actor, errands);
    if (errands->loads > 0) {
        load(actor);
        return;
    }
    errands_swap(actor, errands, LANE_SWAP);
    if (errands->refill) {
        actor->state = THREAD_REFILLS;
        errands_turn(actor, actor->scene->costs.refill + actor->scene->costs.frame +
                                actor->config->tables->workload.refill_ns);
    } else if (errands->allocate) {
        send_request(actor, LETTER_ALLOCATE, actor_base(actor, errands->slot),
                     actor_base(actor, errands->count), THREAD_ALLOCATES);
    } else if (errands->grant) {
        actor->mapped = 0;
        send_request(actor, LETTER_MAP, actor_base(actor, errands->slot),
                     actor_base(actor, errands->count), THREAD_GRANTS);
    } else {
        follow_verdict(actor);
    }
}

/* Pages have been filled, or could not be. */
static void filled(struct actor *actor)
{
    actor->errands.loads = 0;
    actor->errands.refill = false;
    pager_shell_collect(&actor->shell, &actor->errands);
    errands_signal(actor);
    go_on(actor);
}

/* ---- Answers of physmem ---- */

/* What became of an allocation. */
enum allocation {
    ALLOCATION_SERVED, /* or refused: all frames that came have rights */
    ALLOCATION_LOST,   /* physmem has taken all of them by force before they were mapped */
    ALLOCATION_BARRED, /* there is no memory for its first slot */
};

/* All frames of an allocation that are left have rights. */
static void allocated(struct actor *actor, enum allocation became)
{
    uint32_t slot = actor->errands.slot;

    actor->errands.allocate = false;
    if (became == ALLOCATION_LOST)
        pager_growth_possible(&actor->pager); /* none was refused: it soon asks again */
    pager_growth_allocated(&actor->pager, slot, actor_units(actor, actor->came),
                           PAGE_READ | PAGE_WRITE, actor->came_zero);
    if (became == ALLOCATION_BARRED)
        pager_growth_barred(&actor->pager, slot);
    pager_shell_collect(&actor->shell, &actor->errands);
    errands_signal(actor);
    go_on(actor);
}

/* Physmem has taken frames by force before they were mapped: those behind them go back. */
static void lost_before(struct actor *actor)
{
    struct pager_work *errands = &actor->errands;

    check(actor->mapped < actor->came && errands->returns == 0);
    for (uint32_t i = actor_units(actor, actor->mapped); i < actor_units(actor, actor->came); i++)
        errands->returned[errands->returns++] = errands->slot + i;
    actor->came = actor_base(actor, actor_units(actor, actor->mapped));
    allocated(actor, actor->came == 0 ? ALLOCATION_LOST : ALLOCATION_SERVED);
}

static void granted(struct actor *actor)
{
    uint32_t slot = actor->errands.slot, count = actor->errands.count;

    actor->errands.grant = false;
    for (uint32_t i = 0; i < count; i++)
        pager_rights_granted(&actor->pager, slot + i,
                             i < actor_units(actor, actor->mapped) ? PAGE_READ | PAGE_WRITE : 0);
    pager_shell_collect(&actor->shell, &actor->errands);
    errands_signal(actor);
    go_on(actor);
}

static void answered(struct actor *actor, const struct physmem_effect *effect)
{
    uint32_t pages = 0;

    if (actor->revoked) {
        thread_end(actor, EXIT_REVOKED);
        return;
    }
    if (effect->error == EPIPE) { /* it has lost everything, and will soon hear of it */
        errands_turn(actor, LOST_PAUSE_NS);
        return;
    }
    switch ((int)actor->state) {
    case THREAD_ALLOCATES:
        actor->came = effect->kind == PHYSMEM_REPLY_ALLOCATED ? effect->allocated.count : 0;
        actor->came_zero = effect->kind == PHYSMEM_REPLY_ALLOCATED && effect->allocated.zeroed;
        actor->mapped = 0;
        if (actor->came == 0)
            allocated(actor, effect->error == ENXIO ? ALLOCATION_BARRED : ALLOCATION_SERVED);
        else
            send_request(actor, LETTER_MAP, actor_base(actor, actor->errands.slot), actor->came,
                         THREAD_MAPS);
        break;
    case THREAD_MAPS:
    case THREAD_GRANTS:
        /* `mapped.first` holds the number of slots, once the effect is a letter. */
        if (effect->kind == PHYSMEM_REPLY_MAPPED && effect->error == 0)
            pages = effect->mapped.first;
        actor->mapped += pages;
        if (actor->state == THREAD_GRANTS)
            granted(actor);
        else if (actor->mapped >= actor->came)
            allocated(actor, ALLOCATION_SERVED);
        else if (pages == 0)
            lost_before(actor);
        else
            send_request(actor, LETTER_MAP, actor_base(actor, actor->errands.slot) + actor->mapped,
                         actor->came - actor->mapped, THREAD_MAPS);
        break;
    default:
        break;
    }
}

void thread_hear_physmem(struct actor *actor, struct letter *letter)
{
    check(actor->held_back == NULL);
    if (!actor->revoked && !pages_hear(actor, letter)) {
        actor->held_back = letter;
        errands_turn(actor, LOST_PAUSE_NS);
        return;
    }
    answered(actor, &letter->said.effect);
    scene_drop(actor->scene, letter);
}

/* Look again at an answer that was held back. Swap may have to say first that contents have gone. */
static void hear_again(struct actor *actor)
{
    struct letter *letter = actor->held_back;

    thread_read_answers(actor);
    actor->turn++; /* what was read is no other turn */
    actor->held_back = NULL;
    thread_hear_physmem(actor, letter);
}

/* ---- Answers of swap ---- */

/* A page was stored, or not; the answers about its base pages begin with the one numbered `first`. Where not all could
 * be stored, those that were are of no use. */
static void stored(struct actor *actor, const struct letter *letter, uint32_t first)
{
    sp_page page = letter->swap.page[first];
    uint32_t pages = actor_base(actor, 1), slot = letter->swap.slot[first];
    int error = 0;

    for (uint32_t i = first; i < first + pages; i++)
        if (letter->swap.error[i] != 0)
            error = letter->swap.error[i];
    if (error != 0)
        errands_free(actor, letter, first, pages);
    for (uint32_t i = 0; actor->order > 0 && error == 0 && i < pages; i++)
        actor->swap_slot[actor_base(actor, page - actor->first) + i] = letter->swap.slot[first + i];
    pager_evict_stored(&actor->pager, page, actor->order > 0 ? page : slot, error);
}

void thread_stored(struct actor *actor, const struct letter *letter)
{
    struct pager_work errands;

    pager_work_clear(&errands);
    for (uint32_t i = 0; i < letter->swap.stores; i += actor_base(actor, 1))
        stored(actor, letter, i);
    pager_shell_collect(&actor->shell, &errands);
    errands_return(actor, &errands);
    check(errands.frees + errands.stores + errands.loads == 0);
    errands_signal(actor);
}

void thread_read_answers(struct actor *actor)
{
    while (actor->unread != NULL) {
        struct letter *letter = actor->unread;

        actor->unread = letter->next;
        actor->progress++;
        check(actor->stores_sent > 0);
        actor->stores_sent--;
        thread_stored(actor, letter);
        scene_drop(actor->scene, letter);
    }
    actor->unread_last = NULL;
}

static void keep_unread(struct actor *actor, struct letter *letter)
{
    letter->next = NULL;
    if (actor->unread_last != NULL)
        actor->unread_last->next = letter;
    else
        actor->unread = letter;
    actor->unread_last = letter;
}

/* Whether the program can go on without this page: it is one that was read ahead, or physmem has taken its
 * frame. */
static bool is_dispensable(const struct actor *actor, const struct letter_load *load)
{
    return load->error == 0 || actor->pager.page[load->page].ahead ||
           pager_lost_has(&actor->pager, load->page);
}

/* The base pages of a page have come. False: they have not, and the program cannot go on. */
static bool load_page(struct actor *actor, const struct letter_load *load)
{
    bool ahead = actor->pager.page[load->page].ahead, whole = true;

    for (uint32_t i = 0; i < actor_base(actor, 1); i++) {
        if (!is_dispensable(actor, &load[i]))
            return false;
        whole = whole && load[i].error == 0;
        if (load[i].error == 0)
            pages_load(actor, load[i].to, load[i].contents);
    }
    pager_fault_loaded(&actor->pager, load->page, whole, true, actor->fault_write && !ahead);
    return true;
}

static void loaded(struct actor *actor, const struct letter *letter)
{
    if (actor->state != THREAD_LOADS) {
        scene_wrong(actor->scene, "%s: a page has come from swap that nobody waits for",
                    actor->config->name);
        return;
    }
    for (uint32_t i = 0; i < letter->swap.loads; i += actor_base(actor, 1))
        if (!load_page(actor, &letter->swap.load[i])) {
            thread_end(actor, actor->revoked ? EXIT_REVOKED : EXIT_DIED);
            return;
        }
    actor->read = true;
    filled(actor);
}

/* Pages have been read. Answers to stores that are there are taken; the next one is waited for only where frames are
 * short: faults would be served page by page. */
static void take_loads(struct actor *actor, struct letter *letter)
{
    uint32_t loads = actor_units(actor, letter->swap.loads);
    uint32_t wanted = loads > FRAMES_FEW ? loads : FRAMES_FEW;

    thread_read_answers(actor);
    if (actor->stores_sent > 0 && actor->pager.free < wanted) {
        actor->in_hand = letter;
        return;
    }
    loaded(actor, letter);
    scene_drop(actor->scene, letter);
}

/* The answer that was waited for has come. */
static void take_in_hand(struct actor *actor)
{
    struct letter *letter = actor->in_hand;

    actor->in_hand = NULL;
    thread_read_answers(actor);
    loaded(actor, letter);
    scene_drop(actor->scene, letter);
}

void thread_hear_swap(struct actor *actor, struct letter *letter)
{
    if (letter->swap.loads > 0) {
        take_loads(actor, letter);
        return;
    }
    keep_unread(actor, letter);
    if (actor->in_hand != NULL) {
        take_in_hand(actor);
    } else if (actor->state == THREAD_AWAITS_STORE) {
        thread_read_answers(actor);
        ask(actor);
    }
}

/* ---- References ---- */

/* A reference that the mapping does not permit: it takes its time, which is added to *passed. Returns whether the fault is
 * over, for the task has done all by itself. Otherwise it goes on when that time has passed. */
static bool fault(struct actor *actor, uint32_t page, bool write, uint64_t *passed)
{
    const struct costs *costs = &actor->scene->costs;

    actor->fault_page = actor_page(actor, page);
    actor->fault_write = write;
    actor->pieces = actor->shell.pieces;
    actor->watches = actor->shell.watches;
    actor->sent_before = actor->sent;
    *passed += costs->fault + (consult(actor) ? costs->frame : 0);
    if (actor->verdict == PAGER_DONE && pager_work_is_none(&actor->errands)) {
        *passed += end_fault(actor);
        return true;
    }
    actor->state = THREAD_FAULTS;
    return false;
}

/* So many steps before it is referred to, the books of a page are expected to be in the cache. */
#define FRAME_AHEAD 3u

static inline struct walk_step *ahead_at(struct actor *actor, uint32_t number)
{
    return &actor->ahead[number % (2 * ACTOR_AHEAD)];
}

/* Draw steps of the workload, as many as one half of the ring has room for. */
static void look_ahead(struct actor *actor)
{
    struct walk_step *steps = ahead_at(actor, actor->ahead_end);
    uint32_t count = walk_take(&actor->walk, steps, ACTOR_AHEAD);

    pages_expect(actor, steps, count);
    actor->ahead_end += count;
}

/* The task has its turn after others, which have left little of it in the cache. */
static void look_again(const struct actor *actor)
{
    uint32_t first = actor->ahead_first % (2 * ACTOR_AHEAD);
    uint32_t count = actor->ahead_end - actor->ahead_first;
    uint32_t behind = first + count > 2 * ACTOR_AHEAD ? first + count - 2 * ACTOR_AHEAD : 0;

    pages_expect(actor, &actor->ahead[first], count - behind);
    pages_expect(actor, actor->ahead, behind);
}

/* The next step of the workload. False: it is over. */
static bool next_of_walk(struct actor *actor, struct walk_step *step)
{
    /* One half is drawn while there is another one to take steps from. */
    if (actor->ahead_first == actor->ahead_end)
        look_ahead(actor);
    if (actor->ahead_first == actor->ahead_end)
        return false;
    if (actor->ahead_first % ACTOR_AHEAD == 0 && actor->ahead_end % ACTOR_AHEAD == 0)
        look_ahead(actor);
    *step = *ahead_at(actor, actor->ahead_first++);
    if (actor->ahead_first + FRAME_AHEAD < actor->ahead_end &&
        ahead_at(actor, actor->ahead_first + FRAME_AHEAD)->page < WALK_READ)
        pages_expect_frame(actor, ahead_at(actor, actor->ahead_first + FRAME_AHEAD)->page);
    return true;
}

/* The program ends when what it has done last is over. */
static void end_program(struct actor *actor, int exit_status, uint64_t passed)
{
    if (passed == 0) {
        thread_end(actor, exit_status);
        return;
    }
    actor->ends_with = exit_status;
    errands_turn(actor, passed);
}

/* The program's next step, into actor->step, after what it has done so far. Otherwise it ends. */
static bool take_step(struct actor *actor, uint64_t passed)
{
    const struct actor_config *config = actor->config;
    struct walk_step *step = &actor->step;

    if (config->next == NULL ? !next_of_walk(actor, step)
                             : !config->next(config->arg, actor->life, actor->steps++, step)) {
        end_program(actor, 0, passed);
        return false;
    }
    if (step->page < WALK_READ && step->page >= config->tables->workload.pages) {
        end_program(actor, EXIT_DIED, passed);
        return false;
    }
    return true;
}

/* The next step is a read: after what it has done so far. */
static void read_file(struct actor *actor, uint64_t passed)
{
    if (passed > 0)
        errands_turn(actor, passed);
    else
        reading_ask(actor);
}

void thread_hear_files(struct actor *actor, enum reading_result what)
{
    switch (what) {
    case READING_WAITS:
        break;
    case READING_DONE:
        actor->has_step = false;
        errands_turn(actor, actor->step.pause_ns);
        break;
    case READING_AGAIN:
        errands_turn(actor, READ_PAUSE_NS);
        break;
    case READING_FAILED:
        thread_end(actor, EXIT_DIED);
        break;
    }
}

static void refer(struct actor *actor)
{
    uint64_t passed = 0;
    uint32_t steps = 0;

    look_again(actor);
    while (passed < TURN_NS && steps++ < TURN_STEPS && actor->scene->wrong[0] == '\0') {
        const struct walk_step *step = &actor->step;

        if (!actor->has_step && !take_step(actor, passed))
            return;
        actor->has_step = true;
        if (step->page == WALK_READ) {
            read_file(actor, passed);
            return;
        }
        if (step->page != WALK_NOTHING) {
            if (!pager_shell_permits(&actor->shell, actor_page(actor, step->page), step->write)) {
                if (fault(actor, step->page, step->write, &passed))
                    continue;
                break;
            }
            if (!pages_refer(actor, step->page, step->write)) {
                errands_turn(actor, passed + LOST_PAUSE_NS);
                return;
            }
            actor->references++;
            passed += actor->scene->costs.reference;
        }
        actor->has_step = false;
        passed += step->pause_ns;
    }
    errands_turn(actor, passed);
}

#define CACHE_LINE 64u

static inline void expect(const void *memory, size_t size)
{
    for (size_t at = 0; at < size; at += CACHE_LINE)
        __builtin_prefetch((const char *)memory + at, 1);
}

void thread_expect(const struct actor *actor)
{
    expect(actor, offsetof(struct actor, lanes));
    expect(&actor->pager, CACHE_LINE);
    expect(&actor->pager.guaranteed, 3 * CACHE_LINE);
    expect(&actor->walk, offsetof(struct actor, errands) - offsetof(struct actor, walk));
    expect(&actor->stats, CACHE_LINE);
    expect(&actor->errands, CACHE_LINE);
    expect(&actor->verdict, 2 * CACHE_LINE);
}

void thread_turn(struct actor *actor)
{
    if (actor->revoked) {
        thread_end(actor, EXIT_REVOKED);
        return;
    }
    switch (actor->state) {
    case THREAD_RUNS:
        if (actor->ends_with >= 0)
            thread_end(actor, actor->ends_with);
        else
            refer(actor);
        break;
    case THREAD_AWAITS:
    case THREAD_AWAITS_STORE:
        ask(actor);
        break;
    case THREAD_AWAITS_FRAME:
        pager_growth_possible(&actor->pager);
        ask(actor);
        break;
    case THREAD_FAULTS:
        go_on(actor);
        break;
    case THREAD_REFILLS:
        pages_refill(actor, actor->errands.refilled.page, actor->errands.refilled.slot);
        pager_fault_loaded(&actor->pager, actor->errands.refilled.page, true, true,
                           actor->fault_write);
        filled(actor);
        break;
    case THREAD_ALLOCATES:
    case THREAD_MAPS:
    case THREAD_GRANTS:
        if (actor->held_back != NULL)
            hear_again(actor);
        else
            errands_turn(actor, LOST_PAUSE_NS); /* physmem has said that all is lost: not why yet */
        break;
    case THREAD_AWAY:
    case THREAD_COMES:
    case THREAD_LOADS:
    case THREAD_ENDED:
        break;
    }
}

void thread_revoked(struct actor *actor)
{
    bool waits = (actor->state > THREAD_LOADS && actor->state < THREAD_ENDED) ||
                 (actor->state == THREAD_RUNS && reading_waits(actor));

    actor->revoked = true;
    if (waits && actor->state != THREAD_REFILLS)
        thread_end(actor, EXIT_REVOKED);
}
