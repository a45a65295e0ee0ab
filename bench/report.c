/* The report: a table for people, or one JSON object. */
#include "common.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_judged(const struct bench *bench, const struct bench_row *row)
{
    return !bench->smoke && row->limit > BENCH_NO_LIMIT;
}

static bool holds(const struct bench *bench, const struct bench_row *row)
{
    double value;

    if (!is_judged(bench, row))
        return true;
    value = row->number ? row->subject[0] : bench_ratios(bench, row).median;
    return value <= row->limit;
}

static bool all_hold(const struct bench *bench)
{
    for (unsigned i = 0; i < bench->rows; i++)
        if (!holds(bench, &bench->row[i]))
            return false;
    return true;
}

/* ---- For people ---- */

static void print_verdict(const struct bench *bench, const struct bench_row *row)
{
    if (row->limit <= BENCH_NO_LIMIT)
        printf("       -\n");
    else if (bench->smoke)
        printf("  %5.5g  not judged\n", row->limit);
    else
        printf("  %5.5g  %s\n", row->limit, holds(bench, row) ? "held" : "NOT HELD");
}

static void print_cell(struct bench_quartiles q, int decimals, int width)
{
    char cell[100];

    snprintf(cell, sizeof(cell), "%.*f (%.*f-%.*f)", decimals, q.median, decimals, q.low, decimals,
             q.high);
    printf("  %*s", width, cell);
}

static void print_row(const struct bench *bench, const struct bench_row *row)
{
    printf("%-44s", row->name);
    if (row->number) {
        printf("  %22.1f", row->subject[0]);
    } else {
        print_cell(bench_quartiles_of(bench, row->subject, row->rounds), 0, 22);
        print_cell(bench_quartiles_of(bench, row->baseline, row->rounds), 0, 22);
        print_cell(bench_ratios(bench, row), 2, 17);
    }
    print_verdict(bench, row);
}

static void print_thread(const struct bench_thread *thread)
{
    printf("  %-12s pid %-7d %-16s tid %-7d", thread->process, (int)thread->pid, thread->name,
           (int)thread->tid);
    if (thread->allowed >= 0)
        printf(" pinned to core %d, last ran on %d\n", thread->allowed, thread->last);
    else
        printf(" not pinned, last ran on %d\n", thread->last);
}

static void print_table(const struct bench *bench)
{
    const struct bench_about *about = bench->about;

    printf("%s: %s\n", about->name, about->claim);
    if (about->baseline != NULL) {
        printf("%u rounds, both sides in turn, %s; medians (and quartiles); the ratio is that of "
               "each round\n\n",
               bench->rounds, about->unit);
        printf("%-44s  %22s  %22s  %17s  limit\n", "", about->subject, about->baseline, "ratio");
    } else {
        printf("\n%-44s  %22s  limit\n", "", about->unit);
    }
    for (unsigned i = 0; i < bench->rows; i++)
        print_row(bench, &bench->row[i]);
    printf("\n");
    for (unsigned i = 0; i < bench->notes; i++)
        printf("%s\n", bench->note[i]);
    printf("where it ran (--cores %s):\n", bench->different ? "different" : "same");
    for (unsigned i = 0; i < bench->threads; i++)
        print_thread(&bench->thread[i]);
}

/* ---- For machines ---- */

/* jansson reports a failed allocation by NULL, which json_pack of the outer object passes on. */
static json_t *json_quartiles(struct bench_quartiles q)
{
    return json_pack("{s:f, s:f, s:f}", "median", q.median, "low", q.low, "high", q.high);
}

static json_t *json_row(const struct bench *bench, const struct bench_row *row)
{
    json_t *limit = row->limit > BENCH_NO_LIMIT ? json_real(row->limit) : json_null();
    json_t *held = is_judged(bench, row) ? json_boolean(holds(bench, row)) : json_null();

    if (row->number)
        return json_pack("{s:s, s:f, s:o, s:o}", "name", row->name, "value", row->subject[0],
                         "limit", limit, "held", held);
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "name", row->name, "rounds", (int)row->rounds,
        "subject", json_quartiles(bench_quartiles_of(bench, row->subject, row->rounds)), "baseline",
        json_quartiles(bench_quartiles_of(bench, row->baseline, row->rounds)), "ratio",
        json_quartiles(bench_ratios(bench, row)), "limit", limit, "held", held);
}

static json_t *json_thread(const struct bench_thread *thread)
{
    json_t *allowed = thread->allowed >= 0 ? json_integer(thread->allowed) : json_null();

    return json_pack("{s:s, s:s, s:i, s:i, s:o, s:i}", "process", thread->process, "thread",
                     thread->name, "pid", (int)thread->pid, "tid", (int)thread->tid, "pinned_to",
                     allowed, "last_core", thread->last);
}

static void print_json(const struct bench *bench)
{
    json_t *rows = json_array(), *threads = json_array(), *notes = json_array(), *root;
    json_t *held = bench->smoke ? json_null() : json_boolean(all_hold(bench));
    char *text;

    for (unsigned i = 0; i < bench->rows; i++)
        json_array_append_new(rows, json_row(bench, &bench->row[i]));
    for (unsigned i = 0; i < bench->threads; i++)
        json_array_append_new(threads, json_thread(&bench->thread[i]));
    for (unsigned i = 0; i < bench->notes; i++)
        json_array_append_new(notes, json_string(bench->note[i]));
    root = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "bench", bench->about->name,
                     "claim", bench->about->claim, "unit", bench->about->unit, "cores",
                     bench->different ? "different" : "same", "held", held, "rows", rows, "threads",
                     threads, "notes", notes);
    text = root != NULL ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    if (text == NULL)
        bench_fail(bench, "cannot make the JSON object");
    puts(text);
    free(text);
    json_decref(root);
}

int bench_finish(struct bench *bench)
{
    int status = all_hold(bench) ? 0 : 1;

    bench_stop_servers(bench);
    if (bench->json)
        print_json(bench);
    else
        print_table(bench);
    if (bench->picture != NULL)
        picture_draw(bench);
    for (unsigned i = 0; i < bench->rows; i++) {
        free(bench->row[i].subject);
        free(bench->row[i].baseline);
    }
    if (fflush(stdout) != 0)
        bench_fail(bench, "cannot write the report");
    return status;
}
