#include "fair.h"

#include <stddef.h>

#include "base/assert.h"

/* Jobs that one load passes at most: each is compared with it. */
#define PASSED_MOST 16u

static bool moves_pages(const struct swap_job *job)
{
    check(job->kind <= SWAP_JOB_RESERVE);
    return job->kind == SWAP_JOB_STORE || job->kind == SWAP_JOB_LOAD;
}

uint32_t fair_cost(const struct swap_job *job)
{
    check(job->count <= WIRE_BATCH);
    return moves_pages(job) ? job->count : 1;
}

/* ---- In a client's queue ---- */

static bool same_page(const struct swap_page *load, const struct swap_page *other, uint8_t kind)
{
    check(kind == SWAP_JOB_STORE || kind == SWAP_JOB_FREE);
    if (kind == SWAP_JOB_FREE)
        return load->slot == other->slot;
    return load->extent == other->extent && load->offset == other->offset;
}

/* May a load begin before this job, which came before it? */
static bool may_pass(const struct swap_job *load, const struct swap_job *other)
{
    check(load->kind == SWAP_JOB_LOAD);
    if (other->kind != SWAP_JOB_STORE && other->kind != SWAP_JOB_FREE)
        return false;
    for (uint32_t i = 0; i < load->count; i++)
        for (uint32_t j = 0; j < other->count; j++)
            if (same_page(&load->page[i], &other->page[j], other->kind))
                return false;
    return true;
}

/* The job that a load comes to stand behind; NULL: it is the first. */
static struct swap_job *place_of(const struct client *client, const struct swap_job *load)
{
    struct swap_job *behind = NULL, *job;
    uint32_t passed = 0;

    check(load->kind == SWAP_JOB_LOAD);
    for (job = client->first_job; job != NULL; job = job->next) {
        if (job->kind == SWAP_JOB_LOAD || job->kind == SWAP_JOB_RESERVE) {
            behind = job;
            passed = 0;
        } else {
            passed++;
        }
    }
    if (passed > PASSED_MOST)
        return client->last_job;
    for (job = behind == NULL ? client->first_job : behind->next; job != NULL; job = job->next)
        if (!may_pass(load, job))
            behind = job;
    return behind;
}

static void queue_insert(struct client *client, struct swap_job *job)
{
    struct swap_job *behind = job->kind == SWAP_JOB_LOAD ? place_of(client, job) : client->last_job;

    check((client->first_job == NULL) == (client->last_job == NULL));
    if (behind == NULL) {
        job->next = client->first_job;
        client->first_job = job;
    } else {
        job->next = behind->next;
        behind->next = job;
    }
    if (job->next == NULL)
        client->last_job = job;
}

/* ---- Between clients ---- */

static struct client *client_of(struct rota_client *turn)
{
    check(turn != NULL);
    return (struct client *)(void *)((char *)turn - offsetof(struct client, turn));
}

void fair_add(struct swap_turns *turns, struct client *client, struct swap_job *job)
{
    queue_insert(client, job);
    check(client->first_job != NULL && client->last_job->next == NULL);
    turns->jobs++;
    turns->loads += job->kind == SWAP_JOB_LOAD;
    client->loads += job->kind == SWAP_JOB_LOAD;
    if (rota_come(&turns->rota, &client->turn))
        client->references++; /* until it has no turn to come */
}

struct client *fair_take(struct swap_turns *turns)
{
    struct client *client = client_of(rota_take(&turns->rota, FAIR_PAGES));

    check(client->references > 0);
    return client;
}

void fair_return(struct swap_turns *turns, struct client *client)
{
    check(client->references > 0);
    if (!rota_return(&turns->rota, &client->turn, client->first_job != NULL))
        client_unref(client);
}

void fair_hold(struct swap_turns *turns, struct client *client)
{
    check(client->first_job != NULL);
    rota_hold(&turns->rota, &client->turn);
}

void fair_pop(struct swap_turns *turns, struct client *client)
{
    struct swap_job *job = client->first_job;

    ensure(job != NULL);
    client->first_job = job->next;
    if (client->first_job == NULL)
        client->last_job = NULL;
    ensure(turns->jobs > 0);
    turns->jobs--;
    if (job->kind == SWAP_JOB_LOAD) {
        ensure(turns->loads > 0 && client->loads > 0);
        turns->loads--;
        client->loads--;
    }
}
