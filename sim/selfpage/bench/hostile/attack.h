/* Attacks on live servers: what each does. An attack runs in a process of its own, which is killed
 * when its time is over. */
#ifndef SELFPAGE_BENCH_HOSTILE_ATTACK_H
#define SELFPAGE_BENCH_HOSTILE_ATTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Frames of the physmem that is attacked, and slots of the swap. */
#define ATTACK_FRAMES 70000u
#define ATTACK_SLOTS  20000u

/* The user id under which an attack runs if this process may choose: "nobody" on most systems. */
#define ATTACK_UID 65534

/* What an attack may use. */
struct attack_target {
    const char *physmem;   /* socket */
    const char *swap;      /* socket */
    const char *directory; /* empty, for mounts */
    unsigned strength;     /* 1: short; 10: in full */
    uid_t uid;             /* to run under; this process's own: no change */
    int leash;             /* read end of a pipe that closes when the attack is over */
    uint64_t seed;         /* for attacks by chance */
    uint64_t *variations; /* shared with the process that watches: what such an attack has played */
};

struct hostile_attack {
    const char *name;
    const char *what; /* the attacker does: one line */
    bool on_swap;     /* the bystander is a client of swap, else of physmem */
    bool needs_fuse;
    /* Attack until killed, or return: 0, or a negative errno if it could not be tried. */
    int (*run)(const struct attack_target *target);
};

/* ---- descriptors.c ---- */
int descriptors_linger(const struct attack_target *target);
int descriptors_linger_swap(const struct attack_target *target);
int descriptors_many(const struct attack_target *target);

/* ---- work.c ---- */
int work_allocate(const struct attack_target *target);
int work_squash(const struct attack_target *target);
int work_ranges(const struct attack_target *target);
int work_big(const struct attack_target *target);
int work_store(const struct attack_target *target);

/* ---- shares.c ---- */
int shares_connections(const struct attack_target *target);
int shares_extents(const struct attack_target *target);
int shares_output(const struct attack_target *target);
int shares_clients(const struct attack_target *target);

/* ---- chance.c ---- */
int chance_physmem(const struct attack_target *target);
int chance_swap(const struct attack_target *target);

/* ---- locks.c ---- */
int locks_physmem(const struct attack_target *target);
int locks_swap(const struct attack_target *target);

#endif
