#include "selfpage/scenario/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "play/costs.h"

/* A text in double quotes. */
static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_text(FILE *out, const char *key, const char *text)
{
    if (text == NULL)
        return;
    fprintf(out, ", %s: ", key);
    put_quoted(out, text);
}

/* "KEY=VALUE,KEY=VALUE," as "KEY: VALUE, KEY: VALUE". */
static void put_pairs(FILE *out, const char *text, const char *end)
{
    bool first = true;

    while (text < end) {
        size_t length = strcspn(text, ",;");

        if (length > 0) {
            const char *equals = memchr(text, '=', length);

            fprintf(out, "%s%.*s: %.*s", first ? "" : ", ", (int)(equals - text), text,
                    (int)(text + length - equals - 1), equals + 1);
            first = false;
        }
        text += length + 1;
    }
}

/* The text of a workload. */
static void put_workload(FILE *out, const char *text)
{
    const char *end = text + strcspn(text, ";");
    const char *separator = "";

    fputs("\n  workload: { ", out);
    put_pairs(out, text, end);
    fputs(", phases: [ ", out);
    while (*end != '\0') {
        text = end + 1;
        end = text + strcspn(text, ";");
        fprintf(out, "%s{ ", separator);
        put_pairs(out, text, end);
        fputs(" }", out);
        separator = ", ";
    }
    fputs(" ] }", out);
}

static void put_task(FILE *out, const struct scenario_task *task)
{
    fprintf(out, "- { name: %s", task->name);
    put_text(out, "physmem", task->physmem);
    put_text(out, "contract", task->contract);
    put_text(out, "part_of", task->part_of);
    put_text(out, "policy", task->policy);
    put_text(out, "bandwidth", task->bandwidth);
    put_text(out, "start", task->start);
    put_text(out, "stop_after", task->stop_after);
    put_text(out, "expect_exit", task->expect_exit);
    if (task->renew != SCENARIO_RENEW_DEFAULT)
        fprintf(out, ", renew: %s", task->renew == SCENARIO_RENEW_NO ? "no" : "yes");
    if (task->load != NULL) {
        fputs(",", out);
        put_workload(out, task->load);
    }
    fputs(" }\n", out);
}

static void put_policyserver(FILE *out, const struct scenario_policyserver *server)
{
    fprintf(out, "policyserver: { args: [");
    for (uint32_t i = 0; i < server->args_count; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_quoted(out, server->args[i]);
    }
    fputs("]", out);
    put_text(out, "arbiter", server->arbiter);
    put_text(out, "entitlements", server->entitlements);
    fputs(" }\n", out);
}

static void put_stacked(FILE *out, const struct scenario_stacked *physmem)
{
    fprintf(out, "- { name: %s, reserve: %u", physmem->name, physmem->reserve);
    put_text(out, "upstream", physmem->upstream);
    put_text(out, "contract", physmem->contract);
    put_text(out, "arbiter", physmem->arbiter);
    fputs(" }\n", out);
}

static void put_servers(FILE *out, const struct scenario *scenario)
{
    const struct scenario_physmem *physmem = &scenario->physmem;

    fprintf(out, "physmem: { frames: %u, reserve: %u, seed: %llu", physmem->frames,
            physmem->reserve, (unsigned long long)physmem->seed);
    put_text(out, "arbiter", physmem->arbiter);
    if (physmem->chaos_unmap > 0)
        fprintf(out, ", chaos_unmap: %.9g", physmem->chaos_unmap);
    fputs(" }\n", out);
    if (scenario->physmems_count > 0)
        fputs("physmems:\n", out);
    for (uint32_t i = 0; i < scenario->physmems_count; i++)
        put_stacked(out, &scenario->physmems[i]);
    if (scenario->policyserver != NULL)
        put_policyserver(out, scenario->policyserver);
    if (scenario->fileserver != NULL) {
        fputs("fileserver: { args: []", out);
        put_text(out, "root", scenario->fileserver->root);
        put_text(out, "contract", scenario->fileserver->contract);
        if (scenario->fileserver->cache > 0)
            fprintf(out, ", cache: %u", scenario->fileserver->cache);
        fputs(" }\n", out);
    }
    if (scenario->swap == NULL)
        return;
    fprintf(out, "swap: { slots: %u", scenario->swap->slots);
    if (scenario->swap->fail_writes > 0)
        fprintf(out, ", fail_writes: %.9g", scenario->swap->fail_writes);
    if (scenario->swap->bandwidth > 0)
        fprintf(out, ", bandwidth: %u", scenario->swap->bandwidth);
    fputs(" }\n", out);
}

static void put_cost(FILE *out, const char *name, const char *text, bool *first)
{
    if (text != NULL)
        fprintf(out, "%s%s: %s", *first ? "costs: { " : ", ", name, text);
    *first = *first && text == NULL;
}

static void put_costs(FILE *out, const struct scenario_costs *costs)
{
    bool first = true;

    if (costs == NULL)
        return;
#define PUT_COST(name, value, meaning) put_cost(out, #name, costs->name, &first);
    PLAY_COSTS(PUT_COST)
#undef PUT_COST
    put_cost(out, "depth", costs->depth, &first);
    fputs(first ? "" : " }\n", out);
}

static void put_event(FILE *out, const struct scenario_event *event)
{
    fprintf(out, "- { at: %s", event->at);
    put_text(out, "task", event->task);
    put_text(out, "server", event->server);
    put_text(out, "stop", event->stop);
    put_text(out, "kill", event->kill);
    put_text(out, "restart", event->restart);
    if (event->recall != 0)
        fprintf(out, ", recall: %u", event->recall);
    put_text(out, "signal", event->signal);
    fputs(" }\n", out);
}

static void put_faults(FILE *out, const struct scenario_faults *faults)
{
    if (faults == NULL)
        return;
    fprintf(out, "faults: { until: %s", faults->until);
    put_text(out, "every", faults->every);
    for (uint32_t i = 0; i < faults->kinds_count; i++)
        fprintf(out, "%s%s", i == 0 ? ", kinds: [ " : ", ", faults->kinds[i]);
    fprintf(out, "%s }\n", faults->kinds_count > 0 ? " ]" : "");
}

static void put_expectations(FILE *out, const struct scenario *scenario)
{
    if (scenario->expect_count > 0)
        fputs("expect:\n", out);
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        fputs("- ", out);
        put_quoted(out, scenario->expect[i]);
        fputc('\n', out);
    }
}

int save_scenario(const struct scenario *scenario, const char *path, const char *why,
                  struct sp_error *error)
{
    FILE *out = fopen(path, "we");

    if (out == NULL)
        return error_set(error, errno, "%.160s: %s", path, strerror(errno));
    for (const char *line = why; *line != '\0';) {
        size_t length = strcspn(line, "\n");

        fprintf(out, "# %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    put_servers(out, scenario);
    put_faults(out, scenario->faults);
    put_costs(out, scenario->costs);
    fprintf(out, "timeout: %s\ntasks:\n", scenario->timeout != NULL ? scenario->timeout : "5m");
    for (uint32_t i = 0; i < scenario->tasks_count; i++)
        put_task(out, &scenario->tasks[i]);
    if (scenario->events_count > 0)
        fputs("events:\n", out);
    for (uint32_t i = 0; i < scenario->events_count; i++)
        put_event(out, &scenario->events[i]);
    put_expectations(out, scenario);
    if (fclose(out) != 0)
        return error_set(error, errno, "%.160s: %s", path, strerror(errno));
    return 0;
}
