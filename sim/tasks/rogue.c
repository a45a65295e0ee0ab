/* selfpage-rogue: takes all the frames it can get, and ignores every recall.
 *
 * It is the task that contracts are there for. Physmem recalls frames, the deadline passes, all its
 * memory is revoked: its next touch ends it with SIGBUS, and nobody else notices. With --politely
 * it returns what is recalled, and ends well once it has done so. */
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include <selfpage/selfpage.h>

#include "common.h"

/* Runs on the library's control thread. */
static enum sp_recall_answer on_recall(void *arg, const struct sp_recall *recall)
{
    const bool *politely = arg;

    (void)recall;
    return *politely ? SP_RECALL_COMPLY : SP_RECALL_IGNORE;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Touch all pages again and again, for `seconds` or until a recall has been met. Returns true if
 * one has. */
static bool hog(struct sp_task *task, volatile char *memory, size_t pages, double seconds)
{
    struct sp_stats stats = {.recalls_answered = 0};
    struct timespec start;

    clock_gettime(CLOCK_MONOTONIC, &start);
    while (stats.recalls_answered == 0 && seconds_since(&start) < seconds) {
        for (size_t page = 0; page < pages; page++)
            memory[page * SP_PAGE_SIZE]++;
        sp_get_stats(task, &stats);
    }
    printf("selfpage-rogue: had %llu frames, got %llu recalls and met %llu\n",
           (unsigned long long)stats.held, (unsigned long long)stats.recalls_heard,
           (unsigned long long)stats.recalls_answered);
    return stats.recalls_answered > 0;
}

static void usage(void)
{
    puts(
        "Usage: selfpage-rogue [OPTION]...\n"
        "Touch as much managed memory as possible and ignore every recall, until revoked.\n"
        "\n"
        "  --pages N    pages to touch (1000)\n"
        "  --precious   in memory that goes to swap, instead of discardable memory\n"
        "  --politely   return what is recalled, and end well after the first recall\n"
        "  --seconds S  give up after so long (30)\n"
        "  -h, --help\n"
        "\n"
        "Contract, policy and servers come from SELFPAGE_* in the environment.\n"
        "Exit status: killed by SIGBUS when revoked; 0 if a recall was met; 1 if neither happened\n"
        "in time; 2 if it could not be done.");
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"pages", required_argument, NULL, 'p'}, {"precious", no_argument, NULL, 'c'},
        {"politely", no_argument, NULL, 'y'},    {"seconds", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    enum sp_kind kind = SP_DISCARDABLE;
    size_t pages = 1000;
    static bool politely; /* recalls may come until the exit */
    struct sp_attach_options attach = {.on_recall = on_recall, .on_recall_arg = &politely};
    double seconds = 30;
    struct sp_task *task;
    void *memory;
    int choice;

    while ((choice = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (choice) {
        case 'p':
            pages = option_count("pages", optarg, 1, 1u << 24);
            break;
        case 'c':
            kind = SP_PRECIOUS;
            break;
        case 'y':
            politely = true;
            break;
        case 's':
            seconds = option_real("seconds", optarg, 0, 1e9);
            break;
        case 'h':
            usage();
            return option_helped();
        default:
            return option_unknown();
        }
    }
    option_arguments(argc, argv, 0, "");
    task = task_attach(&attach);
    memory = region_create(task, pages * SP_PAGE_SIZE, kind, 0);
    return hog(task, memory, pages, seconds) ? 0 : EXIT_NO;
}
