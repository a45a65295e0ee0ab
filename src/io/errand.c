#include "io/errand.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* How long a thread without work stays before it ends, unless it is the only one. */
#define IDLE_S 2

#define STACK_BYTES (256u * 1024u)

struct errand_pool {
    pthread_mutex_t lock; /* guards all that follows, and every lane */
    pthread_cond_t work;  /* a lane was listed, or the pool ends */
    pthread_cond_t rest;  /* a thread has ended, or an errand has */
    void (*wake)(void *context);
    void *context;
    struct errand_lane *first; /* lanes with an errand that may run now */
    struct errand_lane *last;
    struct errand *done; /* newest first */
    uint32_t threads;
    uint32_t idle;
    uint32_t listed;     /* lanes */
    uint32_t unfinished; /* errands that have not run to their end */
    bool ending;
};

struct errand_pool *errand_pool_new(void (*wake)(void *context), void *context)
{
    struct errand_pool *pool = calloc(1, sizeof(*pool));
    pthread_condattr_t monotonic;

    if (pool == NULL)
        return NULL;
    pool->wake = wake;
    pool->context = context;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &monotonic);
    pthread_cond_init(&pool->rest, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return pool;
}

static struct timespec after_ms(uint32_t ms)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += ms / 1000;
    when.tv_nsec += (long)(ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* List a lane from which one more errand may run. */
static void lane_list(struct errand_pool *pool, struct errand_lane *lane)
{
    if (lane->listed || lane->first == NULL || lane->running == ERRAND_LANE_MAX)
        return;
    lane->listed = true;
    lane->next = NULL;
    if (pool->first == NULL)
        pool->first = lane;
    else
        pool->last->next = lane;
    pool->last = lane;
    pool->listed++;
}

/* Take the next errand of the first lane; the lane goes behind the others. */
static struct errand *errand_take(struct errand_pool *pool)
{
    struct errand_lane *lane = pool->first;
    struct errand *errand = lane->first;

    pool->first = lane->next;
    pool->listed--;
    lane->listed = false;
    lane->first = errand->next;
    lane->running++;
    lane_list(pool, lane);
    return errand;
}

/* Run an errand; the lock is held before and after, but not meanwhile. */
static void errand_run(struct errand_pool *pool, struct errand *errand)
{
    pthread_mutex_unlock(&pool->lock);
    errand->run(errand);
    pthread_mutex_lock(&pool->lock);
    errand->lane->running--;
    lane_list(pool, errand->lane);
    pool->unfinished--;
    errand->next = pool->done;
    pool->done = errand;
    if (errand->next == NULL && pool->wake != NULL)
        pool->wake(pool->context);
    pthread_cond_signal(&pool->rest);
}

/* Wait for work. Returns false if this thread must end. */
static bool thread_rest(struct errand_pool *pool)
{
    struct timespec until = after_ms(IDLE_S * 1000);
    int result = 0;

    pool->idle++;
    while (pool->first == NULL && !pool->ending && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
    pool->idle--;
    if (pool->ending)
        return false;
    return pool->first != NULL || pool->threads == 1;
}

static void *thread_main(void *context)
{
    struct errand_pool *pool = context;

    pthread_mutex_lock(&pool->lock);
    do
        while (pool->first != NULL)
            errand_run(pool, errand_take(pool));
    while (thread_rest(pool));
    pool->threads--;
    pthread_cond_signal(&pool->rest);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static bool thread_start(struct errand_pool *pool)
{
    pthread_attr_t detached;
    sigset_t all, before;
    pthread_t thread;
    int result;

    sigfillset(&all);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&thread, &detached, thread_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (result == 0)
        pool->threads++;
    return result == 0;
}

void errand_submit(struct errand_pool *pool, struct errand_lane *lane, struct errand *errand)
{
    pthread_mutex_lock(&pool->lock);
    errand->lane = lane;
    errand->next = NULL;
    if (lane->first == NULL)
        lane->first = errand;
    else
        lane->last->next = errand;
    lane->last = errand;
    pool->unfinished++;
    lane_list(pool, lane);
    if (pool->listed > pool->idle && pool->threads < ERRAND_THREADS_MAX && !thread_start(pool) &&
        pool->threads == 0)
        errand_run(pool, errand_take(pool));
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_signal(&pool->work); /* or the thread would wake up only to wait for the lock */
}

void errand_reap(struct errand_pool *pool)
{
    struct errand *done, *next, *oldest = NULL;

    pthread_mutex_lock(&pool->lock);
    done = pool->done;
    pool->done = NULL;
    pthread_mutex_unlock(&pool->lock);
    for (; done != NULL; done = next) {
        next = done->next;
        done->next = oldest;
        oldest = done;
    }
    for (; oldest != NULL; oldest = next) {
        next = oldest->next;
        oldest->done(oldest);
    }
}

void errand_pool_silence(struct errand_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->wake = NULL;
    pthread_mutex_unlock(&pool->lock);
}

/* Wait until all errands have run. Returns false if they have not in time. */
static bool errands_wait(struct errand_pool *pool, const struct timespec *until)
{
    int result = 0;

    pthread_mutex_lock(&pool->lock);
    while (pool->unfinished > 0 && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&pool->rest, &pool->lock, until);
    result = pool->unfinished > 0;
    pthread_mutex_unlock(&pool->lock);
    return result == 0;
}

/* Whether an errand has not run, or its `done` has not been called. */
static bool has_errands(struct errand_pool *pool)
{
    bool some;

    pthread_mutex_lock(&pool->lock);
    some = pool->unfinished > 0 || pool->done != NULL;
    pthread_mutex_unlock(&pool->lock);
    return some;
}

bool errand_pool_free(struct errand_pool **poolp, uint32_t wait_ms)
{
    struct timespec until = after_ms(wait_ms);
    struct errand_pool *pool = *poolp;
    bool all;

    if (pool == NULL)
        return true;
    do { /* what an errand's end submits, by *poolp, is waited for, too */
        all = errands_wait(pool, &until);
        errand_reap(pool);
    } while (all && has_errands(pool));
    *poolp = NULL;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    while (all && pool->threads > 0)
        pthread_cond_wait(&pool->rest, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    if (!all)
        return false;
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->rest);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    return true;
}
