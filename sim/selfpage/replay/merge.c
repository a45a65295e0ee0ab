#include "selfpage/replay/merge.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/replay/curve.h"
#include "selfpage/replay/report.h"

static const char about[] =
    "Merge what several runs of selfpage replay --json printed into one table. A FILE (- is standard\n"
    "input) may hold the output of many, one behind the other:\n"
    "\n"
    "  selfpage replay --policy all --frames 1%,10% --list-jobs TRACE | parallel | selfpage merge -\n"
    "\n"
    "Results that come twice count once; they must not differ.\n";

/* All that was read. Labels live in policies, which results point to. */
struct merge {
    struct replay_results results;
    size_t room;
    struct replay_policy **policies; /* in the order of their first results */
    size_t policy_count, policy_room;
};

struct merge_options {
    bool json, csv;
    struct strings curves;
    struct gnuplot_look look;
    char **files; /* NULL at the end */
};

/* ---- Reading ---- */

static int no_memory(struct sp_error *error)
{
    return error_set(error, ENOMEM, "no memory for the results");
}

/* Room for one more element. */
static int grow(void **elements, size_t count, size_t *room, size_t size, struct sp_error *error)
{
    size_t more = *room == 0 ? 16 : 2 * *room;
    void *grown;

    if (count < *room)
        return 0;
    grown = reallocarray(*elements, more, size);
    if (grown == NULL)
        return no_memory(error);
    *elements = grown;
    *room = more;
    return 0;
}

static int find_policy(struct merge *merge, const char *label, const struct replay_policy **policy,
                       struct sp_error *error)
{
    struct replay_policy *added;
    char *copy;
    int result;

    for (size_t i = 0; i < merge->policy_count; i++)
        if (strcmp(merge->policies[i]->label, label) == 0) {
            *policy = merge->policies[i];
            return 0;
        }
    result = grow((void **)&merge->policies, merge->policy_count, &merge->policy_room,
                  sizeof(struct replay_policy *), error);
    if (result != 0)
        return result;
    added = calloc(1, sizeof(*added));
    copy = strdup(label);
    if (added == NULL || copy == NULL) {
        free(added);
        free(copy);
        return no_memory(error);
    }
    added->label = copy;
    merge->policies[merge->policy_count++] = added;
    *policy = added;
    return 0;
}

static int take_number(const json_t *object, const char *name, double most, double *number,
                       const char *file, struct sp_error *error)
{
    const json_t *value = json_object_get(object, name);

    *number = json_number_value(value);
    if (json_is_number(value) && *number >= 0 && *number <= most)
        return 0;
    return error_set(error, EILSEQ,
                     "%.100s: a result has no proper \"%s\"; it is what selfpage "
                     "replay --json prints that can be merged",
                     file, name);
}

/* Fill in all but the policy. */
static int take_numbers(struct replay_result *result, const json_t *object, const char *file,
                        struct sp_error *error)
{
    double frames = 0, rate = 0, ratio = 0, references = 0, reads = 0;
    const struct {
        const char *name;
        double most;
        uint64_t *counter;
        double *number;
        bool optional; /* older versions print none */
    } fields[] = {
        {"frames", UINT32_MAX, NULL, &frames},
        {"references", 0x1p63, &result->counts.references, &references},
        {"misses", 0x1p63, &result->counts.misses, NULL},
        {"miss_ratio", 1, NULL, &ratio},
        {"evictions", 0x1p63, &result->counts.evictions, NULL},
        {"dirty_evictions", 0x1p63, &result->counts.dirty_evictions, NULL},
        {"references_per_second", 0x1p63, NULL, &rate},
        {"reads", 0x1p63, NULL, &reads},
        {"writes", 0x1p63, &result->counts.writes, NULL},
        {"pages", 0x1p63, &result->pages, NULL},
        {"policy_errors", 0x1p63, &result->counts.policy_errors, NULL},
        {"bytes", 0x1p63, &result->bytes, NULL, true},
        {"missed_bytes", 0x1p63, &result->counts.missed_bytes, NULL, true},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        double number = 0;
        bool absent = fields[i].optional && json_object_get(object, fields[i].name) == NULL;
        int status =
            absent ? 0 : take_number(object, fields[i].name, fields[i].most, &number, file, error);

        if (status != 0)
            return status;
        if (fields[i].counter != NULL)
            *fields[i].counter = (uint64_t)number;
        if (fields[i].number != NULL)
            *fields[i].number = number;
    }
    result->frames = (uint32_t)frames;
    result->seconds = rate > 0 ? references / rate : 0;
    return 0;
}

/* The same policy and size, over what looks like the same trace. */
static struct replay_result *find_same(struct merge *merge, const struct replay_result *result)
{
    for (size_t i = 0; i < merge->results.count; i++) {
        struct replay_result *other = &merge->results.results[i];

        if (other->policy == result->policy && other->frames == result->frames &&
            other->counts.references == result->counts.references && other->pages == result->pages)
            return other;
    }
    return NULL;
}

static int take_result(struct merge *merge, const json_t *object, const char *file,
                       struct sp_error *error)
{
    const char *label = json_string_value(json_object_get(object, "policy"));
    struct replay_result result = {.frames = 0};
    const struct replay_result *same;
    int status;

    if (label == NULL)
        return error_set(error, EILSEQ,
                         "%.100s: this is not what selfpage replay --json prints: a "
                         "result has no \"policy\"",
                         file);
    status = find_policy(merge, label, &result.policy, error);
    if (status == 0)
        status = take_numbers(&result, object, file, error);
    if (status == 0)
        status = grow((void **)&merge->results.results, merge->results.count, &merge->room,
                      sizeof(struct replay_result), error);
    if (status != 0)
        return status;
    same = find_same(merge, &result);
    if (same == NULL)
        merge->results.results[merge->results.count++] = result;
    else if (memcmp(&same->counts, &result.counts, sizeof(result.counts)) != 0)
        return error_set(error, EINVAL,
                         "%.100s: %s at %u frames has %llu misses here, and %llu in another result "
                         "(other traces, or other seeds?)",
                         file, label, result.frames, (unsigned long long)result.counts.misses,
                         (unsigned long long)same->counts.misses);
    return 0;
}

static int take_value(struct merge *merge, const json_t *value, const char *file,
                      struct sp_error *error)
{
    const json_t *element;
    size_t i;
    int status = 0;

    if (!json_is_array(value))
        return take_result(merge, value, file, error);
    json_array_foreach(value, i, element) if (status == 0) status =
        take_result(merge, element, file, error);
    return status;
}

/* True if nothing but white space is left. */
static bool at_end(FILE *in)
{
    int c;

    do
        c = getc(in);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
    if (c == EOF)
        return true;
    ungetc(c, in);
    return false;
}

static int read_file(struct merge *merge, const char *path, struct sp_error *error)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *in = standard ? stdin : fopen(path, "re");
    int status = 0;

    if (in == NULL)
        return error_set(error, errno, "%.100s: %s", path, strerror(errno));
    while (status == 0 && !at_end(in)) {
        json_error_t wrong;
        json_t *value = json_loadf(in, JSON_DISABLE_EOF_CHECK, &wrong);

        if (value == NULL)
            status = error_set(error, EILSEQ, "%.100s: this is no JSON: %.100s", path, wrong.text);
        else
            status = take_value(merge, value, path, error);
        json_decref(value);
    }
    if (status == 0 && ferror(in))
        status = error_set(error, EIO, "%.100s: cannot read", path);
    if (!standard)
        fclose(in);
    return status;
}

/* ---- Output ---- */

static size_t rank(const struct merge *merge, const struct replay_result *result)
{
    size_t i = 0;

    while (merge->policies[i] != result->policy)
        i++;
    return i;
}

/* By size, then in the order of the policies' first results: as one replay would print them. */
static int compare(const void *left, const void *right, void *context)
{
    const struct replay_result *a = left, *b = right;
    const struct merge *merge = context;

    if (a->counts.references != b->counts.references)
        return a->counts.references < b->counts.references ? -1 : 1;
    if (a->frames != b->frames)
        return a->frames < b->frames ? -1 : 1;
    return (rank(merge, a) > rank(merge, b)) - (rank(merge, a) < rank(merge, b));
}

static int collect_curve(const struct merge *merge, const struct replay_policy *policy,
                         struct curve *curve)
{
    *curve = (struct curve){.label = policy->label};
    curve->points = calloc(merge->results.count, sizeof(*curve->points));
    if (curve->points == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < merge->results.count; i++) {
        const struct replay_result *r = &merge->results.results[i];

        if (r->policy == policy)
            curve->points[curve->count++] =
                (struct curve_point){.frames = r->frames, .miss_ratio = report_miss_ratio(r)};
    }
    return 0;
}

static int write_curves(const struct merge *merge, const struct strings *paths,
                        const struct gnuplot_look *look, struct sp_error *error)
{
    struct curves curves = {.count = merge->policy_count};
    int status = 0;

    if (paths->count == 0)
        return 0;
    for (size_t i = 1; i < merge->results.count; i++)
        if (merge->results.results[i].counts.references !=
            merge->results.results[0].counts.references)
            return error_set(error, EINVAL,
                             "results of different traces do not go into one picture");
    curves.curves = calloc(merge->policy_count, sizeof(*curves.curves));
    if (curves.curves == NULL)
        return no_memory(error);
    curves.references = merge->results.results[0].counts.references;
    curves.pages = (uint32_t)merge->results.results[0].pages;
    for (size_t i = 0; i < merge->policy_count && status == 0; i++)
        if (collect_curve(merge, merge->policies[i], &curves.curves[i]) != 0)
            status = no_memory(error);
    for (size_t i = 0; i < paths->count && status == 0; i++)
        status = plot_write(&curves, paths->items[i], look, error);
    for (size_t i = 0; i < merge->policy_count; i++)
        free(curves.curves[i].points);
    free(curves.curves);
    return status;
}

static int print(const struct merge_options *command, struct merge *merge, struct sp_error *error)
{
    int status;

    qsort_r(merge->results.results, merge->results.count, sizeof(struct replay_result), compare,
            merge);
    if (command->json)
        status = replay_report_json(stdout, &merge->results);
    else if (command->csv)
        status = replay_report_csv(stdout, &merge->results);
    else
        status = replay_report_table(stdout, &merge->results);
    if (status != 0)
        return error_set(error, -status, "cannot write the results: %s", strerror(-status));
    return write_curves(merge, &command->curves, &command->look, error);
}

/* ---- The command ---- */

static void merge_fini(struct merge *merge)
{
    for (size_t i = 0; i < merge->policy_count; i++) {
        free((char *)merge->policies[i]->label);
        free(merge->policies[i]);
    }
    free(merge->policies);
    free(merge->results.results);
}

static int curve_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct merge_options *command = arg;

    (void)name;
    strings_add(&command->curves, text);
    return command->curves.failed ? no_memory(error) : 0;
}

static int file_take(void *arg, char **word, struct sp_error *error)
{
    struct merge_options *command = arg;

    (void)error;
    if (command->files == NULL) /* the first; the others follow it */
        command->files = word;
    return 0;
}

static int check(void *arg, struct sp_error *error)
{
    const struct merge_options *command = arg;

    if (command->json && command->csv)
        return error_set(error, EINVAL, "--json and --csv: one of them");
    for (size_t i = 0; i < command->curves.count; i++)
        for (char **file = command->files; *file != NULL; file++) {
            int result = plot_check_path(command->curves.items[i], *file, &command->look, error);

            if (result != 0)
                return result;
        }
    return 0;
}

#define FIELD(name) offsetof(struct merge_options, name)

static const struct option_row rows[] = {
    {"json", OPTION_FLAG, FIELD(json), .help = "print the same as selfpage replay --json would"},
    {"csv", OPTION_FLAG, FIELD(csv), .help = "print the same as selfpage replay --csv would"},
    {"curve", OPTION_CALL, .take = curve_take, .value = "FILE",
     .help = "also write miss ratios by frames to FILE: .csv, .svg, .png, .pdf or .eps (pictures "
             "are drawn by gnuplot), a line a policy. May be given often"},
    {"title", OPTION_TEXT, FIELD(look.title), .value = "TEXT",
     .help = "title of the pictures, instead of what they say of themselves; none if it is empty"},
    {"size", OPTION_TEXT, FIELD(look.size), .value = "WIDTHxHEIGHT",
     .help = "size of the pictures in pixels, 96 to the inch (default: 960x640)"},
    {"sources", OPTION_FLAG, FIELD(look.sources),
     .help = "beside each picture, write what it is drawn from: FILE.gp, the commands for gnuplot "
             "with the data, and FILE.csv, the data alone"},
    {"font", OPTION_TEXT, FIELD(look.font), .value = "NAME[,POINTS]",
     .help = "font of the pictures (that of gnuplot)"},
};

static const struct options_syntax syntax = {
    .program = "selfpage merge",
    .usage = "[options] FILE...",
    .about = about,
    .exit_statuses = "0 done; 2 it could not be done.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "FILE",
    .least = 1,
    .most = UINT32_MAX,
    .operand = file_take,
    .check = check,
};

static int report(const struct merge_options *command, struct sp_error *error)
{
    struct merge merge = {.room = 0};
    int status = 0;

    for (char **file = command->files; status == 0 && *file != NULL; file++)
        status = read_file(&merge, *file, error);
    if (status == 0 && merge.results.count == 0)
        status = error_set(error, ENODATA, "there are no results to merge");
    if (status == 0)
        status = print(command, &merge, error);
    merge_fini(&merge);
    return status;
}

int merge_command(int argc, char **argv)
{
    struct merge_options command = {.json = false};
    struct sp_error error = {0};
    int status = EXIT_YES;

    switch (options_parse(argc, argv, &syntax, &command, &error)) {
    case OPTIONS_EXIT:
        break;
    case OPTIONS_BAD:
        status = commands_cannot(&error);
        break;
    case OPTIONS_RUN:
        if (report(&command, &error) != 0)
            status = commands_cannot(&error);
        break;
    }
    strings_fini(&command.curves);
    return status;
}
