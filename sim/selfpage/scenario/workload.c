#include "selfpage/scenario/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "workload/workload_text.h"

/* "KEY=VALUE" after what stands there already. Values are texts of the file: a separator in one of them
 * would begin another key. */
static void put(FILE *out, const char *key, const char *value, const char **wrongp)
{
    if (value == NULL)
        return;
    if (strpbrk(value, ",;=") != NULL)
        *wrongp = value;
    fprintf(out, "%s=%s,", key, value);
}

static void put_phase(FILE *out, const struct scenario_phase *phase, const char **wrongp)
{
    fputc(';', out);
    put(out, "zipf", phase->zipf, wrongp);
    put(out, "scan", phase->scan, wrongp);
    put(out, "loop", phase->loop, wrongp);
    put(out, "markov", phase->markov, wrongp);
    put(out, "idle", phase->idle, wrongp);
    put(out, "trace", phase->trace, wrongp);
    put(out, "file", phase->file, wrongp);
    put(out, "first", phase->first, wrongp);
    put(out, "pages", phase->pages, wrongp);
    put(out, "stay", phase->stay, wrongp);
    put(out, "writes", phase->writes, wrongp);
    put(out, "references", phase->references, wrongp);
    put(out, "think", phase->think, wrongp);
    put(out, "burst", phase->burst, wrongp);
    put(out, "pause", phase->pause, wrongp);
}

static void put_all(FILE *out, const struct scenario_workload *workload, const char **wrongp)
{
    put(out, "pages", workload->pages, wrongp);
    put(out, "kind", workload->kind, wrongp);
    put(out, "rounds", workload->rounds, wrongp);
    put(out, "recalls", workload->recalls, wrongp);
    put(out, "refill", workload->refill, wrongp);
    for (uint32_t i = 0; i < workload->phases_count; i++)
        put_phase(out, &workload->phases[i], wrongp);
    if (workload->phases_count == 0)
        put_phase(out, &workload->phase, wrongp);
}

/* A phase of which nothing is said. */
static bool is_empty(const struct scenario_phase *phase)
{
    static const struct scenario_phase empty;

    return memcmp(phase, &empty, sizeof(empty)) == 0;
}

char *workload_to_text(const struct scenario_workload *workload, struct sp_error *error)
{
    const char *wrong = NULL;
    struct workload parsed;
    char *text = NULL;
    size_t size;
    FILE *out;

    if (workload->phases_count > 0 && !is_empty(&workload->phase)) {
        error_set(error, EINVAL,
                  "with phases, all but pages, kind, rounds, recalls and refill stands in these");
        return NULL;
    }
    out = open_memstream(&text, &size);
    if (out != NULL)
        put_all(out, workload, &wrong);
    if (out == NULL || fclose(out) != 0) {
        error_set(error, ENOMEM, "out of memory");
        free(text);
        return NULL;
    }
    if (wrong != NULL)
        error_set(error, EINVAL, "\"%.40s\" is not a value of a workload", wrong);
    else if (workload_text_parse(&parsed, text, error) == 0)
        return text;
    free(text);
    return NULL;
}
