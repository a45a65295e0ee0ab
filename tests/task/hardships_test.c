/* What people's programs do to a task: threads that are cancelled, code in managed memory, instructions
 * that need several pages, closed descriptors, small stacks, locked memory, few open files, handlers of
 * their own. A task works, or ends with a line that says what to change. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <selfpage/page_list.h>
#include <selfpage/testing.h>

#include "live.h"
#include "scale.h"

static void run(void **state, const char *contract, const char *policy, int (*function)(void *),
                void *arg, struct sp_testing_result *result)
{
    struct sp_error error;

    if (sp_testing_run(*state, contract, policy, function, arg, result, &error) != 0)
        fail_msg("%s", error.text);
}

static void expect_success(const struct sp_testing_result *result)
{
    if (result->signal != 0 || result->exit_status != 0)
        fail_msg("signal %d, status %d: %s", result->signal, result->exit_status, result->output);
}

static void expect_line(const struct sp_testing_result *result, const char *text)
{
    if (strstr(result->output, text) == NULL)
        fail_msg("no '%s' in: %s", text, result->output);
}

/* ---- Signals that are blocked, and files that may not grow ---- */

static void *touch_with_all_blocked(void *arg)
{
    volatile unsigned char *memory = arg;

    for (unsigned i = 0; i < 100; i++)
        memory[i * SP_PAGE_SIZE]++;
    return NULL;
}

static void block_all(void)
{
    sigset_t all;

    CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
}

/* As programs do that take their signals by sigwait: before they attach, or after it. */
static int page_with_all_blocked(void *after)
{
    struct rlimit none = {0, RLIM_INFINITY};
    struct sp_task *task;
    pthread_t thread;
    sigset_t all;
    void *memory;

    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    block_all();
    task = attach_or_exit(NULL);
    if (after != NULL)
        block_all();
    memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});
    touch_with_all_blocked(memory);
    CHECK(pthread_create(&thread, NULL, touch_with_all_blocked, memory) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &all) == 0);
    CHECK(sigismember(&all, SIGTERM) == 1 && sigismember(&all, SIGSEGV) == 0);
    return sp_detach(&task);
}

static void a_program_that_blocks_all_signals_pages(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=30", "clock", page_with_all_blocked, NULL, &result);
    expect_success(&result);
    run(state, "guaranteed=30", "clock", page_with_all_blocked, &result, &result);
    expect_success(&result);
}

static int block_all_and_touch(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    void *memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});

    (void)arg;
    block_all();
    touch_with_all_blocked(memory);
    return sp_detach(&task);
}

/* The task itself has no chance to. */
static void a_task_that_blocks_the_signals_of_faults_is_told_of(void **state)
{
    struct sp_testing_result result;

    if (scale_is_slow())
        skip(); /* Valgrind and the emulator deliver them, or write lines of their own */
    run(state, "guaranteed=30", "clock", block_all_and_touch, NULL, &result);
    assert_int_equal(result.signal, SIGSEGV);
    expect_line(&result, "a thread that blocks SIGSEGV");
}

/* ---- Cancellation ---- */

enum { PAGES = 400, CANCELLED = 30 };

static volatile unsigned char *shared;
static int cancel_type;

/* Valgrind and AddressSanitizer let an asynchronous cancellation reach a thread inside the handler, whose
 * mask holds it back otherwise: there only the deferred one is tried. */
#if defined(__SANITIZE_ADDRESS__)
#define MASKS_HOLD      false
#define OWN_DESCRIPTORS false
#else
#define MASKS_HOLD      (!RUNNING_ON_VALGRIND)
#define OWN_DESCRIPTORS (!RUNNING_ON_VALGRIND)
#endif

static void *page_for_ever(void *arg)
{
    struct sp_task *task = arg;

    CHECK(sp_thread_begin(task) == 0);
    CHECK(pthread_setcanceltype(cancel_type, NULL) == 0);
    for (unsigned i = 0;; i = (i + 1) % PAGES) {
        shared[i * SP_PAGE_SIZE]++;
        pthread_testcancel();
    }
    return NULL;
}

static int cancel_threads(void *arg)
{
    struct sp_task *task = attach_or_exit(arg);

    shared = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    for (int i = 0; i < CANCELLED; i++) {
        void *result;
        pthread_t thread;

        cancel_type =
            i % 2 == 0 || !MASKS_HOLD ? PTHREAD_CANCEL_DEFERRED : PTHREAD_CANCEL_ASYNCHRONOUS;
        CHECK(pthread_create(&thread, NULL, page_for_ever, task) == 0);
        poll(NULL, 0, 3); /* long enough for it to be in the midst of paging; any moment will do */
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
        for (unsigned n = 0; n < PAGES; n++)
            shared[n * SP_PAGE_SIZE]++;
    }
    return sp_detach(&task);
}

static void a_cancelled_thread_leaves_the_task_as_it_was(void **state)
{
    struct sp_attach_options with_thread = {.flags = SP_ATTACH_PAGER_THREAD};
    struct sp_testing_result result;

    run(state, "guaranteed=100", NULL, cancel_threads, NULL, &result);
    expect_success(&result);
    run(state, "guaranteed=100", NULL, cancel_threads, &with_thread, &result);
    expect_success(&result);
}

/* Whatever a fault does is no point of cancellation: one that is pending waits for the program's next one. */
static void *page_with_a_cancellation_pending(void *arg)
{
    bool *reached = arg;

    CHECK(pthread_cancel(pthread_self()) == 0);
    for (unsigned i = 0; i < 20 * PAGES; i++)
        shared[i * 7 % PAGES * SP_PAGE_SIZE]++;
    *reached = true;
    pthread_testcancel();
    return NULL;
}

static int pend(void *arg)
{
    struct sp_attach_options options = {.policy = arg};
    bool reached = false;
    struct sp_task *task = attach_or_exit(&options);
    pthread_t thread;
    void *result;

    shared = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    CHECK(pthread_create(&thread, NULL, page_with_a_cancellation_pending, &reached) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(reached);
    return sp_detach(&task);
}

static void a_fault_is_no_point_of_cancellation(void **state)
{
    /* One that looks at bits, and those that have pages watched. */
    static const char *const policies[] = {"clock", "lru", "car"};
    size_t count = RUNNING_ON_VALGRIND ? 1 : sizeof(policies) / sizeof(policies[0]);
    struct sp_testing_result result;

    for (size_t i = 0; i < count; i++) {
        run(state, "guaranteed=100", NULL, pend, (char *)policies[i], &result);
        expect_success(&result);
    }
}

static void *ask_for_ever(void *arg)
{
    struct sp_task *task = arg;

    for (;;) {
        struct sp_availability availability;

        CHECK(sp_get_availability(task, &availability, NULL) == 0);
        CHECK(sp_pin(task, (void *)shared, 3, NULL) == 0);
        CHECK(sp_unpin(task, (void *)shared, 3) == 0);
        CHECK(sp_discard(task, (char *)shared + 10 * SP_PAGE_SIZE, 20) >= 0);
        CHECK(sp_advise(task, (void *)shared, 30, SP_HINT_WILL_NEED) == 0);
        pthread_testcancel();
    }
    return NULL;
}

static int cancel_calls(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);

    (void)arg;
    shared = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    for (int i = 0; i < CANCELLED; i++) {
        struct sp_availability availability;
        void *result;
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, ask_for_ever, task) == 0);
        poll(NULL, 0, 2);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(sp_get_availability(task, &availability, NULL) == 0);
        while (sp_unpin(task, (void *)shared, 3) == 0)
            continue;
        for (unsigned n = 0; n < PAGES; n++)
            shared[n * SP_PAGE_SIZE]++;
    }
    return sp_detach(&task);
}

static void a_call_is_finished_before_its_thread_is_cancelled(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=100", NULL, cancel_calls, NULL, &result);
    expect_success(&result);
}

/* ---- Refill callbacks that do not return ---- */

static sigjmp_buf out;

static int refill_jumps(void *arg, size_t index, void *frame)
{
    (void)arg;
    (void)frame;
    if (index == 1)
        siglongjmp(out, 1);
    return 0;
}

static int refill_exits(void *arg, size_t index, void *frame)
{
    (void)arg;
    (void)index;
    (void)frame;
    pthread_exit(NULL);
}

static int use_refill(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory = region_or_exit(
        task, &(struct sp_region_options){.pages = 5,
                                          .kind = SP_REMANUFACTURABLE,
                                          .refill = arg != NULL ? refill_jumps : refill_exits});

    if (sigsetjmp(out, 1) == 0)
        (void)memory[SP_PAGE_SIZE];
    (void)memory[2 * SP_PAGE_SIZE];
    return 0;
}

static void a_refill_that_does_not_return_is_named(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=8", NULL, use_refill, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "ended its thread");
    run(state, "guaranteed=8", NULL, use_refill, &result, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "left by a jump");
}

static int refill_fails(void *arg, size_t index, void *frame)
{
    (void)arg;
    (void)index;
    (void)frame;
    return -EIO;
}

static int use_failing_refill(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory =
        region_or_exit(task, &(struct sp_region_options){
                                 .pages = 5, .kind = SP_REMANUFACTURABLE, .refill = refill_fails});

    (void)arg;
    (void)memory[0];
    return 0;
}

static void a_negative_errno_of_a_refill_is_read_as_well(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=8", NULL, use_failing_refill, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "Input/output error");
}

/* ---- Faults that are not for the library ---- */

static int execute(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 1});
    void (*code)(void);

    (void)arg;
#if defined(__x86_64__)
    memory[0] = 0xc3; /* ret */
#else
    memset(memory, 0, SP_PAGE_SIZE);
#endif
    memcpy(&code, &memory, sizeof(code));
    code();
    return 0;
}

static int protect_itself(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 3});

    memory[SP_PAGE_SIZE] = 1;
    if (arg != NULL)
        CHECK(munmap((char *)memory + SP_PAGE_SIZE, SP_PAGE_SIZE) == 0);
    else
        CHECK(mprotect((char *)memory + SP_PAGE_SIZE, SP_PAGE_SIZE, PROT_READ) == 0);
    memory[SP_PAGE_SIZE] = 2;
    return 0;
}

static void a_fault_that_paging_cannot_mend_is_passed_on(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=8", NULL, execute, NULL, &result);
    assert_int_equal(result.signal, SIGSEGV);
    expect_line(&result, "jumped to managed memory");
    run(state, "guaranteed=8", NULL, protect_itself, NULL, &result);
    assert_int_equal(result.signal, SIGSEGV);
    expect_line(&result, "mprotect");
    run(state, "guaranteed=8", NULL, protect_itself, &result, &result);
    assert_int_equal(result.signal, SIGSEGV);
    expect_line(&result, "munmap");
}

/* ---- Several pages for one instruction ---- */

/* The policy that is worst for such an instruction: the page that came last goes first. */
struct last_in {
    struct sp_list list;
    struct sp_link links[];
};

static size_t last_in_size(const struct sp_policy_config *config)
{
    return sizeof(struct last_in) + config->pages * sizeof(struct sp_link);
}

static void last_in_insert(void *self, sp_page page, enum sp_access access)
{
    struct last_in *last_in = self;

    (void)access;
    sp_list_push_front(&last_in->list, last_in->links, page);
}

static sp_page last_in_victim(void *self, sp_page incoming)
{
    struct last_in *last_in = self;

    (void)incoming;
    return sp_list_front(&last_in->list);
}

static void last_in_remove(void *self, sp_page page, enum sp_removal why)
{
    struct last_in *last_in = self;

    (void)why;
    sp_list_remove(&last_in->list, last_in->links, page);
}

static const struct sp_policy last_in_policy = {.abi = SP_POLICY_ABI,
                                                .flags = SP_POLICY_LIVE,
                                                .name = "last-in",
                                                .size = last_in_size,
                                                .insert = last_in_insert,
                                                .victim = last_in_victim,
                                                .remove = last_in_remove};

/* A store across a border of pages is meant: what is unaligned is the point. */
__attribute__((no_sanitize("alignment"))) static int cross_border(void *arg)
{
    struct sp_task *task = attach_or_exit(arg);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 40});

    for (unsigned round = 0; round < 20; round++)
        for (unsigned page = 1; page < 40; page += 3) {
            volatile long *across = (volatile long *)(void *)(memory + page * SP_PAGE_SIZE - 3);

            *across = (long)(page + round);
            CHECK(*across == (long)(page + round));
        }
    return sp_detach(&task);
}

__attribute__((no_sanitize("alignment"))) static int cross_two_borders(void *arg)
{
    struct sp_task *task = attach_or_exit(arg);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 40});
    const void *from = memory + 9 * SP_PAGE_SIZE - 3;
    void *to = memory + 19 * SP_PAGE_SIZE - 5;

    memset(memory + 8 * SP_PAGE_SIZE, 7, 2 * SP_PAGE_SIZE);
#if defined(__x86_64__)
    for (unsigned i = 0; i < 20; i++) {
        const void *source = from;
        void *target = to;

        __asm__ volatile("movsq" : "+S"(source), "+D"(target) : : "memory");
    }
#else
    memcpy(to, from, 8);
#endif
    CHECK(memory[19 * SP_PAGE_SIZE - 5] == 7 && memory[19 * SP_PAGE_SIZE + 2] == 7);
    return sp_detach(&task);
}

/* One loop whose code comes back to two pages in turn needs one frame, and no more. */
static int alternate(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 2});

    (void)arg;
    for (unsigned i = 0; i < 300; i++)
        memory[i % 2 * SP_PAGE_SIZE]++;
    CHECK(memory[0] == 150 && memory[SP_PAGE_SIZE] == 150);
    return sp_detach(&task);
}

static void an_instruction_gets_all_its_pages(void **state)
{
    static const char *const policies[] = {"clock", "lru", "random", "fifo"};
    struct sp_attach_options last_in = {.policy_ops = &last_in_policy};
    struct sp_testing_result result;

    run(state, "guaranteed=40", NULL, cross_border, &last_in, &result);
    expect_success(&result);
    run(state, "guaranteed=8", NULL, cross_border, &last_in, &result);
    expect_success(&result);
    run(state, "guaranteed=8", NULL, cross_two_borders, &last_in, &result);
    expect_success(&result);
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        run(state, "guaranteed=2", policies[i], cross_border, NULL, &result);
        expect_success(&result);
        run(state, "guaranteed=4", policies[i], cross_two_borders, NULL, &result);
        expect_success(&result);
    }
    run(state, "guaranteed=1", NULL, alternate, NULL, &result);
    expect_success(&result);
}

static void too_few_frames_for_one_instruction_are_named(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=1", NULL, cross_border, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "more pages at once than the contracts have frames");
}

/* ---- Descriptors ---- */

static int closed_descriptors(void *arg)
{
    struct sp_attach_options options = {0};
    struct sp_task *task;
    volatile unsigned char *memory;

    (void)arg;
    close(0);
    close(1);
    close(2);
    if (sp_attach(&task, &options, NULL) != 0)
        return 3;
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return 4;
    memory = region_or_exit(task, &(struct sp_region_options){.pages = 300});
    for (unsigned i = 0; i < 300; i++)
        memory[i * SP_PAGE_SIZE] = (unsigned char)i;
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return 5;
    for (unsigned i = 0; i < 300; i++)
        if (memory[i * SP_PAGE_SIZE] != (unsigned char)i)
            return 6;
    return sp_detach(&task);
}

static void descriptors_0_to_2_stay_the_programs(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=200", NULL, closed_descriptors, NULL, &result);
    assert_int_equal(result.signal, 0);
    assert_int_equal(result.exit_status, 0);
}

static int close_all(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 300});

    (void)arg;
    memory[0] = 1;
    closefrom(3);
    for (unsigned i = 0; i < 300; i++)
        memory[i * SP_PAGE_SIZE]++;
    return 0;
}

/* Physmem hears of the first that it knows, and ends the other connection before that is closed. */
static int close_one_by_one(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 300});

    (void)arg;
    for (int fd = 3; fd < 64; fd++) {
        close(fd);
        poll(NULL, 0, 5);
    }
    for (unsigned i = 0; i < 300; i++)
        memory[i * SP_PAGE_SIZE]++;
    return 0;
}

static void closefrom_is_named(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=100", NULL, close_one_by_one, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "closefrom");

    run(state, "guaranteed=100", NULL, close_all, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "closefrom");
}

static int few_files(void *arg)
{
    const struct rlimit limit = {.rlim_cur = 40, .rlim_max = 40};
    const unsigned pages = 6000;
    struct sp_task *task;
    volatile unsigned char *memory;

    (void)arg;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    task = attach_or_exit(NULL);
    memory = region_or_exit(task, &(struct sp_region_options){.pages = pages});
    for (unsigned i = 0; i < pages; i++)
        memory[i * SP_PAGE_SIZE] = (unsigned char)(i * 7);
    for (unsigned i = 0; i < pages; i++)
        CHECK(memory[i * SP_PAGE_SIZE] == (unsigned char)(i * 7));
    return sp_detach(&task);
}

static int no_files(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 300});
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = 100};

    (void)arg;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
    memory[0] = 1;
    return 0;
}

static void few_open_files_are_enough_and_none_is_named(void **state)
{
    struct sp_testing_result result;

    if (!OWN_DESCRIPTORS)
        skip(); /* Valgrind's limit is another one; AddressSanitizer opens a file for each thread */
    /* Neither Valgrind nor qemu-user (tests/arm64) maps anything a second time. */
    if (!scale_is_slow()) {
        run(state, "guaranteed=5000", NULL, few_files, NULL, &result);
        expect_success(&result);
    }
    run(state, "guaranteed=100", NULL, no_files, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "ulimit -n");
}

/* ---- Stacks ---- */

#define PAINT 0x5a

/* What is said of stacks holds for a library that is optimised, and not instrumented. */
static bool stacks_are_ordinary(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
    return false;
#endif
    return !RUNNING_ON_VALGRIND;
}

static unsigned char *signal_stack;
static size_t stack_size;

static void *page_on_stack(void *arg)
{
    const stack_t stack = {.ss_sp = signal_stack, .ss_size = stack_size};
    volatile unsigned char *memory = arg;

    CHECK(sigaltstack(&stack, NULL) == 0);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 1000; i++)
            memory[i * SP_PAGE_SIZE]++; /* grows, then stores, loads, evicts */
    return NULL;
}

/* Bytes of the signal stack that paging has used. */
static size_t stack_used(void)
{
    size_t untouched = 0;

    while (untouched < stack_size && signal_stack[untouched] == PAINT)
        untouched++;
    return stack_size - untouched;
}

static int page_on_a_stack_of(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    void *memory = region_or_exit(task, &(struct sp_region_options){.pages = 1000});
    pthread_t thread;

    stack_size = *(size_t *)arg;
    /* What lies below the stack is painted, too. */
    signal_stack =
        mmap(NULL, stack_size + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(signal_stack != MAP_FAILED);
    memset(signal_stack, PAINT, stack_size + 65536);
    if (stack_size < SP_FAULT_STACK)
        CHECK(mprotect(signal_stack, 65536, PROT_NONE) == 0);
    signal_stack += 65536;
    CHECK(pthread_create(&thread, NULL, page_on_stack, memory) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    for (size_t i = 1; i <= 65536; i++)
        CHECK(signal_stack[-(ptrdiff_t)i] == PAINT);
    printf("%zu bytes of stack used\n", stack_used());
    CHECK(stack_used() <= SP_FAULT_STACK + (size_t)sysconf(_SC_MINSIGSTKSZ));
    return sp_detach(&task);
}

static void a_fault_uses_no_more_stack_than_is_said(void **state)
{
    size_t size = SP_FAULT_STACK + 300000;
    struct sp_testing_result result;

    if (!stacks_are_ordinary())
        skip();
    run(state, "guaranteed=500", NULL, page_on_a_stack_of, &size, &result);
    expect_success(&result);
    size = SP_FAULT_STACK + (size_t)sysconf(_SC_MINSIGSTKSZ);
    run(state, "guaranteed=500", NULL, page_on_a_stack_of, &size, &result);
    expect_success(&result);
}

static void a_stack_that_is_too_small_is_named(void **state)
{
    size_t sizes[] = {16384, (size_t)sysconf(_SC_MINSIGSTKSZ) + 512};
    struct sp_testing_result result;

    if (!stacks_are_ordinary())
        skip();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        run(state, "guaranteed=500", NULL, page_on_a_stack_of, &sizes[i], &result);
        assert_int_equal(result.exit_status, 2);
        expect_line(&result, "sigaltstack");
    }
}

/* Whatever the fault does there would damage what lies below. */
static int attach_on_a_small_stack(void *arg)
{
    const size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ);
    unsigned char *memory =
        mmap(NULL, 65536 + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const stack_t small = {.ss_sp = memory + 65536, .ss_size = size};
    stack_t after;
    struct sp_task *task;

    (void)arg;
    CHECK(memory != MAP_FAILED && sigaltstack(&small, NULL) == 0);
    task = attach_or_exit(NULL);
    touch_with_all_blocked(region_or_exit(task, &(struct sp_region_options){.pages = 100}));
    for (size_t i = 0; i < 65536 + size; i++)
        CHECK(memory[i] == 0);
    CHECK(sp_detach(&task) == 0);
    CHECK(sigaltstack(NULL, &after) == 0 && after.ss_sp == small.ss_sp && after.ss_size == size);
    return 0;
}

static void a_signal_stack_that_is_too_small_is_replaced(void **state)
{
    struct sp_testing_result result;

    if (RUNNING_ON_VALGRIND)
        skip(); /* it has no other stack there */
    run(state, "guaranteed=30", "clock", attach_on_a_small_stack, NULL, &result);
    expect_success(&result);
}

static size_t thread_stack;

/* Some 12 KiB of the thread's stack are left. */
static void *page_without_signal_stack(void *arg)
{
    volatile char *rest = alloca(thread_stack - 15000);

    rest[0] = 1;
    *(volatile char *)arg = rest[0];
    return NULL;
}

static int page_in_a_small_thread(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    void *memory = region_or_exit(task, &(struct sp_region_options){.pages = 1});
    pthread_attr_t attributes;
    pthread_t thread;

    (void)arg;
    thread_stack = (size_t)PTHREAD_STACK_MIN > 16384 ? (size_t)PTHREAD_STACK_MIN : 16384;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, thread_stack) == 0);
    CHECK(pthread_create(&thread, &attributes, page_without_signal_stack, memory) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}

static void a_thread_that_is_too_small_is_named(void **state)
{
    struct sp_testing_result result;

    if (!stacks_are_ordinary())
        skip();
    run(state, "guaranteed=500", NULL, page_in_a_small_thread, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_line(&result, "sp_thread_begin");
}

/* ---- Locked memory ---- */

static int locked(void *arg)
{
    struct sp_task *task;
    volatile unsigned char *memory;

    (void)arg;
    if (mlockall(MCL_FUTURE) != 0)
        return 77; /* not permitted here */
    task = attach_or_exit(&(struct sp_attach_options){.max_pages = 500});
    memory = region_or_exit(task, &(struct sp_region_options){.pages = 400});
    for (unsigned i = 0; i < 400; i++)
        memory[i * SP_PAGE_SIZE] = (unsigned char)i;
    for (unsigned i = 0; i < 400; i++)
        CHECK(memory[i * SP_PAGE_SIZE] == (unsigned char)i);
    return sp_detach(&task);
}

static void locked_memory_takes_no_frames(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=150", NULL, locked, NULL, &result);
    if (result.exit_status == 77)
        skip();
    expect_success(&result);
}

/* ---- Handlers of the program ---- */

static volatile sig_atomic_t calls, blocked_ok;
static volatile char *target;

static void own_handler(int number, siginfo_t *info, void *context)
{
    sigset_t mask;

    (void)info;
    (void)context;
    calls++;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    blocked_ok = sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGUSR2) == 0 &&
                 sigismember(&mask, number) == 1;
    mprotect((void *)target, SP_PAGE_SIZE, PROT_READ | PROT_WRITE);
}

static int chain(void *arg)
{
    struct sigaction action = {.sa_sigaction = own_handler,
                               .sa_flags = SA_SIGINFO | (arg != NULL ? (int)SA_RESETHAND : 0)};
    struct sp_task *task;

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR1);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    task = attach_or_exit(NULL);
    target = mmap(NULL, SP_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 3; i++) {
        CHECK(mprotect((void *)target, SP_PAGE_SIZE, PROT_NONE) == 0);
        *target = 1;
        CHECK(calls == i + 1 && blocked_ok);
    }
    return sp_detach(&task);
}

static void an_earlier_handler_runs_as_it_was_installed(void **state)
{
    struct sp_testing_result result;

    if (RUNNING_ON_VALGRIND)
        skip(); /* it calls the frame of a handler within a handler unaddressable */
    run(state, "guaranteed=8", NULL, chain, NULL, &result);
    expect_success(&result);
    run(state, "guaranteed=8", NULL, chain, &result, &result); /* once, and then no more */
    assert_int_equal(result.signal, SIGSEGV);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, sp_testing_setup, sp_testing_teardown)

int main(void)
{
    struct sp_testing_options large = {.physmem_frames = 8192, .swap_slots = 16384};
    const struct CMUnitTest tests[] = {
        TEST(a_program_that_blocks_all_signals_pages),
        TEST(a_task_that_blocks_the_signals_of_faults_is_told_of),
        TEST(a_cancelled_thread_leaves_the_task_as_it_was),
        TEST(a_fault_is_no_point_of_cancellation),
        TEST(a_call_is_finished_before_its_thread_is_cancelled),
        TEST(a_refill_that_does_not_return_is_named),
        TEST(a_negative_errno_of_a_refill_is_read_as_well),
        TEST(a_fault_that_paging_cannot_mend_is_passed_on),
        TEST(an_instruction_gets_all_its_pages),
        TEST(too_few_frames_for_one_instruction_are_named),
        TEST(descriptors_0_to_2_stay_the_programs),
        TEST(closefrom_is_named),
        cmocka_unit_test_prestate_setup_teardown(few_open_files_are_enough_and_none_is_named,
                                                 sp_testing_setup, sp_testing_teardown, &large),
        TEST(a_fault_uses_no_more_stack_than_is_said),
        TEST(a_stack_that_is_too_small_is_named),
        TEST(a_signal_stack_that_is_too_small_is_replaced),
        TEST(a_thread_that_is_too_small_is_named),
        TEST(locked_memory_takes_no_frames),
        TEST(an_earlier_handler_runs_as_it_was_installed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
