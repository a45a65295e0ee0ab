/* Regions on containers, for tests of them. To be included behind cmocka.h. */
#ifndef TESTS_TASK_REGIONS_H
#define TESTS_TASK_REGIONS_H

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <selfpage/testing.h>

#include "live.h"

#define PAGE  ((size_t)SP_PAGE_SIZE)
#define PAGES 200u

/* The task ends with SIGSEGV, after a line with these words. */
static inline void expect_refusal(struct sp_testing_task *task, const char *words)
{
    struct sp_testing_result result;

    sp_testing_wait(&task, &result);
    assert_int_equal(result.signal, SIGSEGV);
    if (strstr(result.output, words) == NULL)
        fail_msg("'%s' is not in: %s", words, result.output);
}

static inline char *open_or_exit(struct sp_task *task, const struct sp_container_region *region)
{
    struct sp_error error = {0};
    void *base;

    if (sp_container_region_create(task, region, &base, &error) != 0) {
        fprintf(stderr, "region: %s\n", error.text);
        exit(1);
    }
    return base;
}

/* What page i of the source holds. */
static inline char mark(size_t i)
{
    return (char)(i * 7 + 1);
}

/* A container of `pages` pages with marks, which is not mapped. */
static inline sp_container source_or_exit(struct sp_task *task, uint32_t pages)
{
    struct sp_error error = {0};
    sp_container source;
    void *memory;

    if (sp_container_create_with(task, pages, 0, &source, &error) != 0 ||
        sp_container_map(task, source, 0, pages, SP_MAP_WRITE, &memory, &error) != 0) {
        fprintf(stderr, "source: %s\n", error.text);
        exit(1);
    }
    for (size_t i = 0; i < pages; i++)
        memset((char *)memory + i * PAGE, mark(i), PAGE);
    CHECK(sp_container_unmap(task, memory, NULL) == 0);
    return source;
}

static inline bool has_mark(const char *base, size_t page, size_t of)
{
    return base[page * PAGE] == mark(of) && base[page * PAGE + PAGE - 1] == mark(of);
}

#define ALL_FRAMES 100000u

/* Take all free frames, and give them back at once. */
static inline void need_all_frames(struct sp_task *task)
{
    sp_container container;
    struct sp_error error;
    long held = -ENOMEM;

    CHECK(sp_container_create(task, ALL_FRAMES, &container, &error) == 0);
    for (uint32_t wanted = 65536; wanted > 0; wanted /= 2) {
        long more = sp_container_allocate(task, container, held > 0 ? (uint32_t)held : 0, wanted,
                                          SP_ALLOCATE_EXTRA | SP_ALLOCATE_PARTIAL, &error);

        held = more > 0 ? (held > 0 ? held : 0) + more : held;
    }
    CHECK(held > 0);
    CHECK(sp_container_destroy(task, container, &error) == 0);
}

/* A pair of sockets: the test's end, and that of its tasks. */
static int ends[2];

static inline void say(int end, const void *bytes, size_t size)
{
    CHECK(send(end, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static inline void hear(int end, void *bytes, size_t size)
{
    CHECK(recv(end, bytes, size, MSG_WAITALL) == (ssize_t)size);
}

/* A task with 40 frames, which says a word when it uses those of its region and ends when it has heard one, is to give 15
 * back, and does. */
static inline void expect_recall_met(struct sp_testing *fixture, int (*giver)(void *arg))
{
    struct sp_testing_task_status status;
    struct sp_testing_task *task;
    char word = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    task = begin(fixture, "giver", "guaranteed=20;extra=20,drop=20s", giver, NULL);
    hear(ends[0], &word, 1);
    assert_int_equal(sp_testing_recall(fixture, "giver", 15, NULL), 0);
    do
        assert_int_equal(sp_testing_task_status(fixture, "giver", &status, NULL), 0);
    while (status.held > 25);
    say(ends[0], &word, 1);
    close(ends[0]);
    close(ends[1]);
    expect_success(task);
    assert_int_equal(sp_testing_task_status(fixture, "giver", &status, NULL), 0);
    assert_int_equal(status.breached, 0);
}

#endif
