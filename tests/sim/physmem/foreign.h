/* A host and an attacker of another user id, both tasks of one physmem: the stage of tests in which an attacker tries
 * all that it can. The attacker is a process of its own, without cmocka. */
#ifndef TEST_FOREIGN_H
#define TEST_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "sharing.h"
#include "stuck_file.h"

#define PAGE    4096u
#define MS      UINT64_C(1000000)
#define FRAMES  256u
#define FOREIGN 64321u /* the attacker's user id */
#define SLOTS   16u

struct stage {
    struct server_process server;
    struct stuck_file stuck;
    struct wire_client observer;
    struct physmem_peer host; /* the attacker's victim: of another user */
    int fds[SHARING_FDS];     /* of the host's extents, see sharing_map */
    pid_t attacker;
    int end; /* of the talk with it */
};

int setup(void **state);
int setup_with(void **state, const char *const more[]); /* options of physmem; ends with NULL */
int teardown(void **state);

/* A task with 64 guaranteed frames and a container of 32 slots, of which the first SLOTS have frames. */
bool open_peer(const struct stage *stage, struct physmem_peer *peer, const char *name);

/* ---- The attacker's side: it has no cmocka ---- */

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "attacker: %s:%d: %s\n", __FILE__, __LINE__, #condition);              \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* What both sides tell each other. */
struct word {
    uint32_t container;
    uint32_t unused; /* 0: no byte is left to chance */
    uint64_t token;
};

void tell(int end, uint32_t container, uint64_t token);

/* False: the other side has ended. */
bool hear(int end, struct word *word);

typedef void attack(struct stage *stage, int end, unsigned arg);

/* Run an attack in a process of the other user. */
void attacker_start(struct stage *stage, attack *run, unsigned arg);

/* It has ended by itself, having seen what it must. */
void attacker_end(struct stage *stage);

/* ---- Requests, for both sides ---- */

uint32_t share(struct physmem_peer *owner, uint64_t lock_ns, uint64_t *tokenp);
uint32_t unlock(struct physmem_peer *peer, uint32_t container);

/* ---- The host's side ---- */

/* Fill a slot of the host's with a byte. */
void put(struct stage *stage, uint32_t slot, char byte);

/* All of the host's slot holds this byte. */
void expect(struct stage *stage, uint32_t slot, char byte);

/* The attacker is gone, and so is all that it had. */
void expect_all_frames_back(struct stage *stage);

#define SKIP_UNLESS_ROOT()                                                                         \
    do {                                                                                           \
        if (geteuid() != 0) {                                                                      \
            print_message("only root can be another user\n");                                      \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

int by_time(const void *a, const void *b); /* for qsort of uint64_t */
uint64_t now_ns(void);

#endif
