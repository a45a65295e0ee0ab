/* The rules of negotiation and of terms, one by one, in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

/* ---- Negotiation ---- */

static void test_guarantees_never_exceed_the_frames(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct physmem_task *b = world_task(world, "b");
    struct sp_terms terms = world_terms(SP_GUARANTEED, 60);
    const struct physmem_effect *reply;
    uint32_t number;

    world_contract(world, a, SP_GUARANTEED, 60);
    reply = world_propose(world, b, &terms);
    expect_offer(reply, SP_REFUSED, SP_REASON_OVERCOMMITTED, SP_CONTRACT_NONE);
    assert_int_equal(reply->offer.offer.retry_ns, CONTRACT_RETRY_NS); /* nothing has an end */
    terms.min = 10;
    reply = world_propose(world, b, &terms); /* 100 - reserve of 4 - 60 */
    expect_offer(reply, SP_COUNTERED, SP_REASON_OVERCOMMITTED, SP_CONTRACT_COUNTERED);
    assert_int_equal(reply->offer.offer.terms.frames, 36);
    number = reply->offer.offer.contract;
    assert_int_equal(world_status(b).guaranteed, 0); /* an offer promises nothing yet */

    /* Meanwhile a takes more; the offer then shrinks, and is still only an offer. */
    world_contract(world, a, SP_TIMED, 20);
    reply = world_accept(world, b, number);
    expect_offer(reply, SP_COUNTERED, SP_REASON_OVERCOMMITTED, SP_CONTRACT_COUNTERED);
    assert_int_equal(reply->offer.offer.terms.frames, 16);
    expect_offer(world_accept(world, b, number), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    assert_int_equal(world_status(b).guaranteed, 16);
    check_books(world);
    expect_error(world_accept(world, b, number), EALREADY);
    assert_string_equal(world_reply(world, world->seq)->text,
                        contract_state_text(SP_CONTRACT_ACTIVE));
}

static void test_counter_offer_stands_until_the_next_proposal(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    struct sp_terms terms = world_terms(SP_GUARANTEED, 200);
    uint32_t first;

    terms.min = 1;
    first = world_propose(world, task, &terms)->offer.offer.contract;
    assert_int_equal(world_status(task).contracts, 1);
    terms.frames = 300;
    world_propose(world, task, &terms);
    assert_int_equal(world_status(task).contracts, 1);
    expect_error(world_accept(world, task, first), ENOENT);
    check_books(world);
}

static void test_no_contract_without_control_connection(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    struct sp_terms terms = world_terms(SP_GUARANTEED, 10);

    physmem_task_disconnected(world->physmem, world->now, task);
    expect_error(world_propose(world, task, &terms), ENOTCONN);
}

static void test_eight_contracts_a_task(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    struct sp_terms terms = world_terms(SP_EXTRA, 1);

    for (unsigned i = 0; i < CONTRACTS_PER_TASK; i++)
        world_contract(world, task, i % SP_CONTRACT_KINDS, 2);
    assert_int_equal(world_status(task).guaranteed, 6);
    assert_int_equal(world_status(task).extra, 6);
    assert_int_equal(world_status(task).leased, 4);
    expect_offer(world_propose(world, task, &terms), SP_REFUSED, SP_REASON_TOO_MANY,
                 SP_CONTRACT_NONE);
    check_books(world);
}

static void test_expired_contracts_make_room(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_with(world, "a", 0, 0, &container);
    struct sp_terms terms = world_terms(SP_GUARANTEED, 2);

    terms.term_ns = MS;
    for (unsigned i = 0; i < 3 * CONTRACTS_PER_TASK; i++) {
        expect_offer(world_propose(world, task, &terms), SP_ACCEPTED, SP_REASON_NONE,
                     SP_CONTRACT_ACTIVE);
        world_pass(world, MS);
    }
    assert_int_equal(world_status(task).contracts, CONTRACTS_PER_TASK);
    /* But not while frames are kept under them. */
    world_propose(world, task, &terms);
    expect_allocated(world_allocate(world, task, container, 0, 2, 0), 2);
    world_pass(world, MS);
    expect_offer(world_propose(world, task, &terms), SP_REFUSED, SP_REASON_TOO_MANY,
                 SP_CONTRACT_NONE);
    check_books(world);
}

static void test_refusal_says_when_a_term_ends(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct physmem_task *b = world_task(world, "b");
    struct sp_terms terms = world_terms(SP_GUARANTEED, 90);
    const struct physmem_effect *reply;

    terms.term_ns = 100 * MS;
    expect_offer(world_propose(world, a, &terms), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    world_pass(world, 30 * MS);
    reply = world_propose(world, b, &terms);
    expect_offer(reply, SP_REFUSED, SP_REASON_OVERCOMMITTED, SP_CONTRACT_NONE);
    assert_int_equal(reply->offer.offer.retry_ns, 70 * MS);
    world_pass(world, 70 * MS);
    expect_offer(world_propose(world, b, &terms), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
}

/* ---- Terms ---- */

static void test_notice_expiry_holdover_renewal(void **state)
{
    struct world *world = *state;
    struct sp_terms terms = world_terms(SP_GUARANTEED, 20);
    struct physmem_task *task = world_task(world, "a");
    uint32_t container = world_container(world, task, 100);
    const struct physmem_effect *notice;
    uint32_t number;

    terms.term_ns = 400 * MS;
    number = world_propose(world, task, &terms)->offer.offer.contract;
    expect_allocated(world_allocate(world, task, container, 0, 20, 0), 20);
    world_pass(world, 300 * MS - 1);
    assert_null(world_find(world, 0, PHYSMEM_SEND_NOTICE, task));
    world_pass(world, 1); /* three quarters */
    notice = world_find(world, 0, PHYSMEM_SEND_NOTICE, task);
    assert_int_equal(notice->notice.what, PHYSMEM_EXPIRING);
    assert_int_equal(notice->notice.contract, number);
    assert_int_equal(notice->notice.guaranteed, 20);

    world_pass(world, 100 * MS);
    notice = world_find(world, 0, PHYSMEM_SEND_NOTICE, task);
    assert_int_equal(notice->notice.what, PHYSMEM_EXPIRED);
    assert_int_equal(notice->notice.guaranteed, 0);
    assert_int_equal(world_status(task).held, 20); /* kept until asked */
    assert_int_equal(world_status(task).owed, 0);
    expect_error(world_allocate(world, task, container, 50, 1, 0), ENOMEM);
    check_books(world);

    expect_offer(world_renew(world, task, number, 400 * MS), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
    assert_int_equal(world_status(task).guaranteed, 20);
    world_pass(world, 299 * MS);
    expect_offer(world_renew(world, task, number, 400 * MS), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE); /* before the end: a new term from now */
    world_pass(world, 399 * MS);
    assert_int_equal(world_status(task).guaranteed, 20);
    expect_error(world_renew(world, task, 99, MS), ENOENT);
    expect_offer(world_renew(world, task, number, 0), SP_REFUSED, SP_REASON_ZERO_TERM,
                 SP_CONTRACT_ACTIVE);
    check_books(world);
}

static void test_renewal_is_countered_by_a_shorter_term(void **state)
{
    struct world world;
    struct physmem_task *task;
    struct sp_terms terms = world_terms(SP_GUARANTEED, 20);
    const struct physmem_effect *reply;

    (void)state;
    world_init(&world, &heap_allocator);
    assert_int_equal(world_start(&world, FRAMES, 0, 100 * MS), 0);
    task = world_task(&world, "a");
    reply = world_propose(&world, task, &terms);
    expect_offer(reply, SP_COUNTERED, SP_REASON_LONG_TERM, SP_CONTRACT_COUNTERED);
    assert_int_equal(reply->offer.offer.terms.term_ns, 100 * MS);
    expect_offer(world_accept(&world, task, 1), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    world_pass(&world, 60 * MS);
    reply = world_renew(&world, task, 1, SECOND);
    expect_offer(reply, SP_COUNTERED, SP_REASON_LONG_TERM, SP_CONTRACT_ACTIVE);
    world_pass(&world, 30 * MS);
    expect_offer(world_accept(&world, task, 1), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    world_pass(&world, 99 * MS);
    assert_int_equal(world_status(task).guaranteed, 20);
    world_pass(&world, 1 * MS);
    assert_int_equal(world_status(task).guaranteed, 0);
    assert_int_equal(world_end(&world), 0);
}

static void test_expired_guarantee_is_recalled_with_time_to_clean(void **state)
{
    struct world *world = *state;
    struct sp_terms terms = world_terms(SP_GUARANTEED, 90);
    struct physmem_task *a = world_task(world, "a");
    uint32_t in_a = world_container(world, a, 100), in_b;
    struct physmem_task *b;
    const struct physmem_effect *recall;
    uint32_t waiting;

    terms.term_ns = 100 * MS;
    terms.t_clean = 5 * SECOND;
    terms.t_drop = 1 * SECOND;
    world_propose(world, a, &terms);
    expect_allocated(world_allocate(world, a, in_a, 0, 90, 0), 90);
    world_pass(world, 100 * MS);
    b = task_with(world, "b", 50, 0, &in_b);
    assert_null(world_find(world, 0, PHYSMEM_SEND_RECALL, a)); /* nobody needs them yet */
    assert_null(world_allocate(world, b, in_b, 0, 50, 0));
    waiting = world->seq;
    recall = world_find(world, 0, PHYSMEM_SEND_RECALL, a);
    assert_non_null(recall);
    assert_int_equal(recall->recall.frames, 40);
    assert_true(recall->recall.may_clean);
    assert_int_equal(recall->recall.grace, 5 * SECOND);
    check_books(world);
    world_pass(world, 4 * SECOND);
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 39);
    assert_null(world_reply(world, waiting));
    world_range(world, physmem_frames_deallocate, a, in_a, 39, 1);
    expect_allocated(world_reply(world, waiting), 50);
    assert_int_equal(world_status(a).recalls_met, 1);
    assert_int_equal(world_status(a).held, 50);
    assert_int_equal(world_status(a).contracts, 1); /* kept in part: may still be renewed */
    world_pass(world, 10 * SECOND);
    assert_false(world_status(a).breached);
    check_books(world);
}

/* Of what contracts that are over let a task keep, frames that need not be cleaned are asked for first. */
static void test_what_needs_no_cleaning_is_recalled_first(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    uint32_t container = world_container(world, task, 100);
    const struct physmem_effect *recall;

    for (unsigned i = 0; i < 2; i++) {
        struct sp_terms terms = world_terms(i == 0 ? SP_GUARANTEED : SP_TIMED, 40);

        terms.term_ns = 100 * MS;
        terms.t_clean = 5 * SECOND;
        expect_offer(world_propose(world, task, &terms), SP_ACCEPTED, SP_REASON_NONE,
                     SP_CONTRACT_ACTIVE);
    }
    expect_allocated(world_allocate(world, task, container, 0, 80, 0), 80);
    world_pass(world, 100 * MS);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 30), 30);
        world_run(world);
        recall = world_find(world, 0, PHYSMEM_SEND_RECALL, task); /* the last one */
        assert_non_null(recall);
        assert_int_equal(recall->recall.may_clean, i == 1);
        assert_int_equal(recall->recall.frames, i == 0 ? 30 : 20); /* 10 more without cleaning */
    }
    check_books(world);
}

static void test_lease_is_not_recalled_in_its_term(void **state)
{
    struct world *world = *state;
    struct sp_terms terms = world_terms(SP_TIMED, 40);
    struct physmem_task *a = world_task(world, "a");
    uint32_t in_a = world_container(world, a, 100), in_b;
    struct physmem_task *b = task_with(world, "b", 56, 40, &in_b);
    const struct physmem_effect *recall;

    terms.term_ns = SECOND;
    terms.t_drop = 50 * MS;
    world_propose(world, a, &terms);
    expect_allocated(world_allocate(world, a, in_a, 0, 40, 0), 40);
    expect_allocated(world_allocate(world, b, in_b, 0, 56, 0), 56);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 10), 0);
    expect_error(world_allocate(world, b, in_b, 56, 5, PHYSMEM_EXTRA), ENOMEM);
    assert_null(world_find(world, 0, PHYSMEM_SEND_RECALL, a));
    world_pass(world, SECOND);
    assert_int_equal(world_status(a).owed, 5);   /* which b waits for */
    world_contract(world, b, SP_GUARANTEED, 40); /* promised to b now */
    assert_null(world_allocate(world, b, in_b, 56, 40, 0));
    recall = world_find(world, 0, PHYSMEM_SEND_RECALL, a);
    assert_non_null(recall);
    assert_int_equal(recall->recall.frames, 31);
    assert_int_equal(world_status(a).owed, 36);
    assert_false(recall->recall.may_clean);
    assert_int_equal(recall->recall.grace, 50 * MS);
    check_books(world);
}

/* A holds a lease of 60 frames; B wants 50 extra frames; at most 36 exist. */
static void test_a_lease_is_not_renewed_while_others_wait(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 0, 0, &in_a);
    struct physmem_task *b = task_with(world, "b", 0, 90, &in_b);
    struct sp_terms terms = world_terms(SP_TIMED, 60);
    const struct physmem_effect *reply;
    uint32_t lease, since;

    terms.term_ns = SECOND;
    reply = world_propose(world, a, &terms);
    lease = reply->offer.offer.contract;
    expect_allocated(world_allocate(world, a, in_a, 0, 60, 0), 60);
    expect_offer(world_renew(world, a, lease, SECOND), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE); /* nobody waits */
    expect_error(world_allocate(world, b, in_b, 0, 50, PHYSMEM_EXTRA), ENOMEM);
    world_pass(world, SECOND - 1);
    expect_offer(world_renew(world, a, lease, SECOND), SP_REFUSED, SP_REASON_NOT_ENTITLED,
                 SP_CONTRACT_ACTIVE);
    since = world->recorded;
    world_pass(world, 1);
    assert_int_equal(world_status(a).leased, 0);
    assert_int_equal(world_status(a).owed, 50);
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 50);
    assert_non_null(world_find(world, since, PHYSMEM_SEND_NOTICE, b)); /* there are some */
    expect_allocated(world_allocate(world, b, in_b, 0, 50, PHYSMEM_EXTRA), 50);
    check_books(world);
}

/* What is kept of a lease that is over is nobody's by contract: a task that asks for extra frames later gets it, too,
 * and no more is recalled than it asks for. */
static void test_what_is_left_of_a_lease_is_recalled_when_extra_frames_are_asked_for(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, lease, since, owed;
    struct physmem_task *a = task_with(world, "a", 0, 0, &in_a);
    struct physmem_task *b = task_with(world, "b", 0, 90, &in_b);
    struct sp_terms terms = world_terms(SP_TIMED, 60);

    terms.term_ns = SECOND;
    lease = world_propose(world, a, &terms)->offer.offer.contract;
    assert_true(lease > 0);
    expect_allocated(world_allocate(world, a, in_a, 0, 60, 0), 60);
    expect_allocated(world_allocate(world, b, in_b, 0, 36, PHYSMEM_EXTRA), 36);
    world_pass(world, 2 * SECOND);
    assert_int_equal(world_status(a).leased, 0);
    assert_int_equal(world_status(a).owed, 0); /* nobody had asked */
    since = world->recorded;
    expect_error(world_allocate(world, b, in_b, 36, 20, PHYSMEM_EXTRA), ENOMEM);
    owed = world_status(a).owed;
    assert_in_range(owed, 19, 20); /* a frame is there */
    expect_error(world_allocate(world, b, in_b, 36, 20, PHYSMEM_EXTRA), ENOMEM);
    assert_int_equal(world_status(a).owed, owed); /* these are on their way */
    world_range(world, physmem_frames_deallocate, a, in_a, 0, owed);
    assert_non_null(world_find(world, since, PHYSMEM_SEND_NOTICE, b));
    expect_allocated(world_allocate(world, b, in_b, 36, 20, PHYSMEM_EXTRA), 20);
    check_books(world);
}

/* Under an arbiter that shares equally a lease of a task's equal share, less what it is guaranteed, is renewed,
 * and a larger one is not. */
static void test_the_arbiter_is_asked_about_renewals(void **state)
{
    static const struct {
        uint32_t guaranteed;
        uint32_t lease;
        enum sp_answer answer;
    } cases[] = {
        {0, 40, SP_ACCEPTED}, {0, 70, SP_REFUSED}, {30, 10, SP_ACCEPTED}, {30, 40, SP_REFUSED}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world;
        struct physmem_task *a, *b;
        uint32_t in_a, in_b, lease, held;
        struct sp_terms terms = world_terms(SP_TIMED, cases[i].lease);
        const struct physmem_effect *reply;

        world_init(&world, &heap_allocator);
        world.arbiter = &arbiter_maxmin;
        assert_int_equal(world_start(&world, FRAMES, 0, 0), 0);
        a = task_with(&world, "a", cases[i].guaranteed, 0, &in_a);
        b = task_with(&world, "b", 0, 90, &in_b);
        terms.term_ns = SECOND;
        lease = world_propose(&world, a, &terms)->offer.offer.contract;
        held = cases[i].guaranteed + cases[i].lease;
        expect_allocated(world_allocate(&world, a, in_a, 0, held, 0), held);
        expect_error(world_allocate(&world, b, in_b, 0, 90, PHYSMEM_EXTRA), ENOMEM);
        reply = world_renew(&world, a, lease, SECOND);
        assert_int_equal(reply->offer.offer.answer, cases[i].answer);
        assert_null(physmem_check(world.physmem));
        assert_int_equal(world_end(&world), 0);
    }
}

/* Arbiters that decide for a quantum or a round do not take a lease for a promise: one of most frames is not renewed
 * from one quantum to the next while another task could use them. */
static void test_a_lease_is_no_promise_for_the_next_quantum(void **state)
{
    static const struct sp_arbiter *const arbiters[] = {&arbiter_karma, &arbiter_auction,
                                                        &arbiter_maxmin};

    (void)state;
    for (unsigned i = 0; i < sizeof(arbiters) / sizeof(arbiters[0]); i++) {
        struct world world;
        struct physmem_task *a, *b;
        uint32_t in_a, in_b, lease;
        struct sp_terms terms = world_terms(SP_TIMED, 80);
        const struct physmem_effect *reply;

        world_init(&world, &heap_allocator);
        world.arbiter = arbiters[i];
        assert_int_equal(world_start(&world, FRAMES, 0, 0), 0);
        a = task_with(&world, "a", 0, 0, &in_a);
        b = task_with(&world, "b", 0, 90, &in_b);
        terms.term_ns = 60 * SECOND;
        lease = world_propose(&world, a, &terms)->offer.offer.contract;
        expect_allocated(world_allocate(&world, a, in_a, 0, 80, 0), 80);
        for (unsigned ask = 0; ask < 20; ask++) {
            world_allocate(&world, b, in_b, 0, 90, PHYSMEM_EXTRA);
            world_pass(&world, SECOND / 4);
        }
        world_allocate(&world, b, in_b, 0, 90, PHYSMEM_EXTRA);
        reply = world_renew(&world, a, lease, 60 * SECOND);
        if (reply->offer.offer.answer != SP_REFUSED)
            fail_msg("%s renews a lease for ever", arbiters[i]->name);
        assert_null(physmem_check(world.physmem));
        assert_int_equal(world_end(&world), 0);
    }
}

/* B waits for 50 extra frames, and 36 are there beside A's 60: a lease would take what b waits for. */
static void test_a_lease_is_not_begun_while_others_wait(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, in_c;
    struct physmem_task *a = task_with(world, "a", 60, 0, &in_a);
    struct physmem_task *b = task_with(world, "b", 0, 90, &in_b);
    struct physmem_task *c = task_with(world, "c", 0, 0, &in_c);
    struct sp_terms terms = world_terms(SP_TIMED, 20);
    const struct physmem_effect *reply;

    terms.term_ns = SECOND;
    expect_allocated(world_allocate(world, a, in_a, 0, 60, 0), 60);
    expect_error(world_allocate(world, b, in_b, 0, 50, PHYSMEM_EXTRA), ENOMEM);
    expect_offer(world_propose(world, c, &terms), SP_REFUSED, SP_REASON_NOT_ENTITLED,
                 SP_CONTRACT_NONE);
    terms.frames = UINT32_MAX; /* nothing that a task can wish for changes that */
    expect_offer(world_propose(world, c, &terms), SP_REFUSED, SP_REASON_NOT_ENTITLED,
                 SP_CONTRACT_NONE);
    terms.frames = 20;
    expect_allocated(world_allocate(world, b, in_b, 0, 20, PHYSMEM_EXTRA), 20); /* no more */
    reply = world_propose(world, c, &terms);
    assert_int_not_equal(reply->offer.offer.reason, SP_REASON_NOT_ENTITLED);
    check_books(world);
}

/* The same while an arbiter shares equally: a lease of a task's equal share is begun, of a larger one
 * as much as that is offered, and it does not grow past it. */
static void test_the_arbiter_is_asked_about_new_leases(void **state)
{
    struct world world;
    struct physmem_task *a, *b, *c;
    uint32_t in_a, in_b, in_c, share;
    struct sp_terms terms = world_terms(SP_TIMED, 70);
    const struct physmem_effect *reply;

    (void)state;
    world_init(&world, &heap_allocator);
    world.arbiter = &arbiter_maxmin;
    assert_int_equal(world_start(&world, FRAMES, 0, 0), 0);
    a = task_with(&world, "a", 0, 0, &in_a);
    b = task_with(&world, "b", 0, 90, &in_b);
    c = task_with(&world, "c", 20, 0, &in_c);
    terms.term_ns = SECOND;
    terms.min = 1;
    expect_allocated(world_allocate(&world, c, in_c, 0, 20, 0), 20);
    expect_allocated(world_allocate(&world, b, in_b, 0, 40, PHYSMEM_EXTRA), 40);
    world_allocate(&world, b, in_b, 40, 50, PHYSMEM_EXTRA); /* is refused some, and waits */
    reply = world_propose(&world, a, &terms);
    expect_offer(reply, SP_COUNTERED, SP_REASON_NOT_ENTITLED, SP_CONTRACT_COUNTERED);
    share = reply->offer.offer.terms.frames;
    assert_in_range(share, 1, 50);
    reply = world_accept(&world, a, reply->offer.offer.contract);
    expect_offer(reply, SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    reply = world_size(&world, a, reply->offer.offer.contract, share + 30);
    assert_int_not_equal(reply->offer.offer.answer, SP_ACCEPTED);
    assert_null(physmem_check(world.physmem));
    assert_int_equal(world_end(&world), 0);
}

/* A grace without end would keep every other task waiting; physmem offers the longest it gives. */
static void test_a_grace_is_bounded(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    static const struct {
        uint64_t clean, drop, clean_offered, drop_offered;
    } cases[] = {
        {SP_FOREVER, 0, PHYSMEM_MAX_GRACE_NS, SP_DEFAULT_T_DROP_NS},
        {0, SP_FOREVER, SP_DEFAULT_T_CLEAN_NS, PHYSMEM_MAX_GRACE_NS},
        {SECOND, PHYSMEM_MAX_GRACE_NS + 1, SECOND, PHYSMEM_MAX_GRACE_NS},
    };

    for (unsigned i = 0; i < 3; i++) {
        struct sp_terms terms = world_terms(SP_GUARANTEED, 10);
        const struct physmem_effect *reply;

        terms.t_clean = cases[i].clean;
        terms.t_drop = cases[i].drop;
        reply = world_propose(world, task, &terms);
        expect_offer(reply, SP_COUNTERED, SP_REASON_LONG_TERM, SP_CONTRACT_COUNTERED);
        assert_int_equal(reply->offer.offer.terms.t_clean, cases[i].clean_offered);
        assert_int_equal(reply->offer.offer.terms.t_drop, cases[i].drop_offered);
        assert_int_equal(reply->offer.offer.terms.frames, 10);
    }
    expect_offer(world_accept(world, task, 3), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
}

static void test_the_longest_grace_is_given(void **state)
{
    struct world *world = *state;
    struct sp_terms terms = world_terms(SP_EXTRA, 10);

    terms.t_drop = PHYSMEM_MAX_GRACE_NS;
    terms.t_clean = PHYSMEM_MAX_GRACE_NS;
    expect_offer(world_propose(world, world_task(world, "a"), &terms), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
}

static void test_killing_needs_a_sure_hold_of_the_process(void **state)
{
    struct world *world = *state;
    struct physmem_identity identity = {.name = "a", .pid = 100, .uid = 1000};
    struct sp_terms terms = world_terms(SP_GUARANTEED, 10);
    struct physmem_task *task;

    terms.on_breach = SP_BREACH_KILL;
    assert_int_equal(physmem_task_add(world->physmem, world->now, &identity, &task), 0);
    physmem_task_connected(world->physmem, task);
    expect_offer(world_propose(world, task, &terms), SP_REFUSED, SP_REASON_UNKNOWN_KIND,
                 SP_CONTRACT_NONE);
    terms.on_breach = SP_BREACH_REVOKE;
    expect_offer(world_propose(world, task, &terms), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
}

static void test_close_recalls_what_the_others_do_not_allow(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    uint32_t container = world_container(world, a, 100);
    uint32_t first = world_contract(world, a, SP_GUARANTEED, 30);
    uint32_t second = world_contract(world, a, SP_GUARANTEED, 20);
    uint32_t third = world_contract(world, a, SP_EXTRA, 10);
    const struct physmem_effect *recall;

    expect_allocated(world_allocate(world, a, container, 0, 45, 0), 45);
    assert_int_equal(world_close(world, a, second)->error, 0);
    recall = world_find(world, 0, PHYSMEM_SEND_RECALL, a);
    assert_int_equal(recall->recall.frames, 5); /* 45 - 30 - the 10 that may be extra */
    assert_true(recall->recall.may_clean);
    expect_error(world_close(world, a, second), EINPROGRESS);
    expect_error(world_renew(world, a, second, SECOND), EINPROGRESS);
    assert_int_equal(world_status(a).contracts, 3);
    check_books(world);
    world_range(world, physmem_frames_release, a, container, 0, 5); /* softly is returned too */
    assert_int_equal(world_status(a).contracts, 2);
    assert_int_equal(world_status(a).recalls_met, 1);
    assert_int_equal(world_close(world, a, third)->error, 0);
    assert_int_equal(world_status(a).owed, 10);
    world_range(world, physmem_frames_deallocate, a, container, 0, 15);
    assert_int_equal(world_status(a).owed, 0);
    assert_int_equal(world_close(world, a, first)->error, 0);
    assert_int_equal(world_status(a).owed, 30);
    check_books(world);
}

/* A proposal is counted by its first answer; that its counter-offer is accepted is no second one. */
static void test_a_proposal_counts_once(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct sp_terms terms = world_terms(SP_GUARANTEED, 200);
    struct physmem_status status;

    terms.min = 10;
    expect_offer(world_propose(world, a, &terms), SP_COUNTERED, SP_REASON_OVERCOMMITTED,
                 SP_CONTRACT_COUNTERED);
    world_accept(world, a, 1);
    world_propose(world, a, &terms);
    physmem_get_status(world->physmem, &status);
    assert_int_equal(status.proposals, 2);
    assert_int_equal(status.countered, 1);
    assert_int_equal(status.refused, 1);
    assert_int_equal(status.accepted, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_proposal_counts_once),
        TEST(test_guarantees_never_exceed_the_frames),
        TEST(test_counter_offer_stands_until_the_next_proposal),
        TEST(test_no_contract_without_control_connection),
        TEST(test_eight_contracts_a_task),
        TEST(test_expired_contracts_make_room),
        TEST(test_refusal_says_when_a_term_ends),
        TEST(test_notice_expiry_holdover_renewal),
        TEST(test_renewal_is_countered_by_a_shorter_term),
        TEST(test_expired_guarantee_is_recalled_with_time_to_clean),
        TEST(test_what_needs_no_cleaning_is_recalled_first),
        TEST(test_lease_is_not_recalled_in_its_term),
        TEST(test_close_recalls_what_the_others_do_not_allow),
        TEST(test_what_is_left_of_a_lease_is_recalled_when_extra_frames_are_asked_for),
        TEST(test_a_lease_is_no_promise_for_the_next_quantum),
        TEST(test_a_lease_is_not_renewed_while_others_wait),
        TEST(test_the_arbiter_is_asked_about_renewals),
        TEST(test_a_lease_is_not_begun_while_others_wait),
        TEST(test_the_arbiter_is_asked_about_new_leases),
        TEST(test_a_grace_is_bounded),
        TEST(test_the_longest_grace_is_given),
        TEST(test_killing_needs_a_sure_hold_of_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
