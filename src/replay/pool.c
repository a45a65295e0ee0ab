#include "replay/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

double pool_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void run_job(struct pool *pool, struct pool_job *job)
{
    double start = pool_clock();

    job->run(job->context, &pool->ring[job->done % pool->ring_size]);
    job->seconds += pool_clock() - start;
}

/* Of the jobs that wait for a thread, the one that lags behind most; NULL if there is none. */
static struct pool_job *pick_job(struct pool *pool)
{
    struct pool_job *best = NULL;

    for (size_t i = 0; i < pool->job_count; i++) {
        struct pool_job *job = &pool->jobs[i];

        if (!job->running && job->done < pool->given && (best == NULL || job->done < best->done))
            best = job;
    }
    return best;
}

/* Batches that every job has seen. */
static uint64_t seen_by_all(const struct pool *pool)
{
    uint64_t least = pool->given;

    for (size_t i = 0; i < pool->job_count; i++)
        if (pool->jobs[i].done < least)
            least = pool->jobs[i].done;
    return least;
}

static void *worker(void *context)
{
    struct pool *pool = context;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct pool_job *job = pick_job(pool);

        if (job == NULL) {
            if (pool->finished)
                break;
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        job->running = true;
        pthread_mutex_unlock(&pool->lock);
        run_job(pool, job);
        pthread_mutex_lock(&pool->lock);
        job->running = false;
        job->done++;
        if (job->done < pool->given) /* somebody may wait for this job */
            pthread_cond_signal(&pool->work);
        pthread_cond_signal(&pool->room);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static int start_threads(struct pool *pool, unsigned threads, struct sp_error *error)
{
    pool->threads = calloc(threads, sizeof(*pool->threads));
    if (pool->threads == NULL)
        return error_set(error, ENOMEM, "no memory for %u threads", threads);
    for (; pool->thread_count < threads; pool->thread_count++) {
        int result = pthread_create(&pool->threads[pool->thread_count], NULL, worker, pool);

        if (result != 0)
            return error_set(error, result, "cannot start %u threads: %s", threads,
                             strerror(result));
    }
    return 0;
}

int pool_init(struct pool *pool, struct pool_job *jobs, size_t job_count, unsigned threads,
              bool with_next, bool with_sizes, struct sp_error *error)
{
    int result = 0;

    *pool = (struct pool){
        .jobs = jobs, .job_count = job_count, .ring_size = threads > 1 ? POOL_RING : 1};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->room, NULL);
    for (unsigned i = 0; i < pool->ring_size && result == 0; i++) {
        struct batch *batch = &pool->ring[i];

        batch->room = job_count > 1 ? POOL_BATCH : POOL_BATCH_ALONE;
        batch->references = malloc(batch->room * sizeof(uint32_t));
        if (with_next)
            batch->next = malloc(batch->room * sizeof(uint64_t));
        if (with_sizes)
            batch->sizes = malloc(batch->room * sizeof(uint32_t));
        if (batch->references == NULL || (with_next && batch->next == NULL) ||
            (with_sizes && batch->sizes == NULL))
            result = error_set(error, ENOMEM, "no memory for batches of references");
    }
    if (result == 0 && threads > 1)
        result = start_threads(pool, threads, error);
    if (result != 0)
        pool_fini(pool);
    return result;
}

struct batch *pool_take(struct pool *pool)
{
    struct batch *batch = &pool->ring[pool->given % pool->ring_size];

    if (pool->thread_count > 0) {
        pthread_mutex_lock(&pool->lock);
        while (pool->given - seen_by_all(pool) == pool->ring_size)
            pthread_cond_wait(&pool->room, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
    }
    batch->count = 0;
    return batch;
}

void pool_give(struct pool *pool)
{
    if (pool->thread_count == 0) {
        for (size_t i = 0; i < pool->job_count; i++) {
            run_job(pool, &pool->jobs[i]);
            pool->jobs[i].done++;
        }
        pool->given++;
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->given++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* Wait until every job has seen every batch; workers end. */
static void finish(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->finished = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pool->thread_count = 0;
}

void pool_fini(struct pool *pool)
{
    finish(pool);
    free(pool->threads);
    for (unsigned i = 0; i < pool->ring_size; i++) {
        free(pool->ring[i].references);
        free(pool->ring[i].next);
        free(pool->ring[i].sizes);
    }
    pthread_cond_destroy(&pool->room);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
}
