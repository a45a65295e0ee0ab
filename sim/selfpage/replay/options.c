#include "selfpage/replay/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/option.h"
#include "policy/registry.h"
#include "replay/pass.h"
#include "selfpage/replay/curve.h"
#include "selfpage/replay/heat.h"
#include "selfpage/replay/score.h"

static const char about[] =
    "Run eviction policies over a trace of page references: every policy at every size, in one pass\n"
    "over the trace, on all cores. TRACE is a file, or - for standard input, plain or compressed\n"
    "(gzip, bzip2, xz, lz4, zstd and others). A first reference to a page is a miss like any other.\n";

static const char notes[] =
    "references_per_second is what the policy at this size reached, as if it had been alone: the\n"
    "processor time of reading the trace and looking up its pages, and of its own simulation. A dirty\n"
    "eviction is one of a page that was written to since it came in.\n"
    "\n"
    "selfpage-libcachesim(7) says what takes the place of each option of libCacheSim's cachesim and of\n"
    "Caffeine's simulator; an option of theirs that is none here is answered with it, too.\n";

/* ---- Policies ---- */

/* Every built-in policy. */
static void add_all(struct strings *labels)
{
    const struct sp_policy *policy;

    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
        strings_add(labels, policy->name);
}

static bool is_assignment(const char *text)
{
    size_t name = strcspn(text, "=,;:/");

    return name > 0 && text[name] == '=';
}

static void split_policies(struct strings *labels, const char *list)
{
    for (;;) {
        size_t length = strcspn(list, ",;");

        while (list[length] == ',' && is_assignment(list + length + 1))
            length += 1 + strcspn(list + length + 1, ",;");
        if (length == 3 && strncmp(list, "all", 3) == 0)
            add_all(labels);
        else
            strings_format(labels, "%.*s", (int)length, list);
        if (list[length] == '\0')
            return;
        list += length + 1;
    }
}

static int find_policy(struct replay_policy *policy, const char *label, struct sp_error *error)
{
    int result;

    policy->label = label;
    result = load_policy(&policy->handle, label, error);
    policy->choice = policy->handle.choice;
    return result;
}

static int find_policies(struct replay_options *options, struct sp_error *error)
{
    if (options->labels.count > REPLAY_POLICIES_MOST)
        return error_set(error, EINVAL, "--policy: more than %u", REPLAY_POLICIES_MOST);
    options->policies = calloc(options->labels.count + 1, sizeof(*options->policies));
    if (options->policies == NULL)
        return error_set(error, ENOMEM, "no memory for the policies");
    for (size_t i = 0; i < options->labels.count; i++) {
        int result;

        options->policy_count++;
        result = find_policy(&options->policies[i], options->labels.items[i], error);
        if (result != 0)
            return result;
    }
    return 0;
}

/* ---- Numbers ---- */

/* As other simulators are told sizes: 100MB, 1GiB, 512k. */
static bool is_in_bytes(const char *text)
{
    size_t digits = strspn(text, "0123456789.");
    const char *unit = text + digits;

    if (digits == 0 || *unit == '\0' || strchr("kKmMgGtT", *unit) == NULL)
        return false;
    return strcmp(unit + 1, "") == 0 || strcasecmp(unit + 1, "b") == 0 ||
           strcasecmp(unit + 1, "ib") == 0;
}

static int parse_size(struct replay_size *size, const char *text, struct sp_error *error)
{
    size_t length = strlen(text);
    uint64_t number;
    char *end;
    int result;

    *size = (struct replay_size){.text = text};
    if (length > 0 && text[length - 1] == '%') {
        size->share = strtod(text, &end) / 100;
        if (strspn(text, "0123456789.") != length - 1 || end != text + length - 1 ||
            !(size->share > 0 && size->share <= 1))
            return error_set(error, EINVAL,
                             "--frames: \"%.60s\" is not a share above 0 %% and up to 100 %%",
                             text);
        return 0;
    }
    if (strncmp(text, "0.", 2) == 0)
        return error_set(
            error, EINVAL,
            "--frames: \"%.60s\" is no number of frames; a share of the trace's pages is "
            "written as 1%%",
            text);
    if (is_in_bytes(text))
        return error_set(
            error, EINVAL,
            "--frames: \"%.60s\" is in bytes, and frames are counted: a frame holds one page, or one "
            "object of a trace without --page-size. Say how many, or a share of the pages as in 1%%",
            text);
    result = option_number("frames", text, 1, UINT32_MAX - 1, &number, error);
    size->frames = (uint32_t)number;
    return result;
}

static void split_sizes(struct strings *texts, const char *list)
{
    for (;;) {
        size_t length = strcspn(list, ",;");

        strings_format(texts, "%.*s", (int)length, list);
        if (list[length] == '\0')
            return;
        list += length + 1;
    }
}

static int find_sizes(struct replay_options *options, struct sp_error *error)
{
    size_t count = options->size_texts.count;

    if (count > REPLAY_SIZES_MOST)
        return error_set(error, EINVAL, "--frames: more than %u", REPLAY_SIZES_MOST);
    options->sizes = calloc(count + 1, sizeof(*options->sizes));
    if (options->sizes == NULL)
        return error_set(error, ENOMEM, "no memory for the sizes");
    for (size_t i = 0; i < count; i++) {
        int result = parse_size(&options->sizes[i], options->size_texts.items[i], error);

        if (result != 0)
            return result;
        options->size_count++;
    }
    return 0;
}

/* ---- Options ---- */

/* -t OPTIONS, as users of libCacheSim write it: --format csv:OPTIONS. */
static int csv_options_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct replay_options *options = arg;

    (void)name;
    free(options->csv_format);
    if (asprintf(&options->csv_format, "csv:%s", text) < 0) {
        options->csv_format = NULL;
        return error_set(error, ENOMEM, "no memory for the options");
    }
    options->trace.format = options->csv_format;
    return 0;
}

static int policy_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)error;
    split_policies(&((struct replay_options *)options)->labels, text);
    return 0;
}

static int frames_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)error;
    split_sizes(&((struct replay_options *)options)->size_texts, text);
    return 0;
}

static int assert_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)error;
    strings_add(&((struct replay_options *)options)->assertions, text);
    return 0;
}

static int curve_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)error;
    strings_add(&((struct replay_options *)options)->curves, text);
    return 0;
}

static int over_time_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)error;
    strings_add(&((struct replay_options *)options)->over_time, text);
    return 0;
}

static int trace_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct replay_options *)options)->path = word[0];
    return 0;
}

/* A score is that of one policy; the one that it is measured against follows it. */
static int check_score(struct replay_options *options, struct sp_error *error)
{
    if (!options->score && (options->time_limit > 0 || options->memory_limit > 0))
        return error_set(error, EINVAL,
                         "--time-limit and --memory-limit can be given only with --score");
    if (!options->score)
        return 0;
    if (options->labels.count != 1 || strcmp(options->labels.items[0], "all") == 0)
        return error_set(error, EINVAL, "--score takes one policy");
    if (options->csv || options->list_jobs || options->heat != NULL ||
        options->curves.count + options->assertions.count + options->over_time.count > 0)
        return error_set(error, EINVAL,
                         "--score prints one number: --csv, --list-jobs, --heat, --curve, "
                         "--over-time and --assert do not go with it");
    strings_add(&options->labels, SCORE_BASELINE);
    return 0;
}

static int check_options(void *arg, struct sp_error *error)
{
    struct replay_options *options = arg;
    int result = check_score(options, error);

    if (result == 0)
        result = find_policies(options, error);

    if (result == 0)
        result = find_sizes(options, error);
    if (result != 0)
        return result;
    if (options->labels.failed || options->over_time.failed || options->size_texts.failed ||
        options->assertions.failed || options->curves.failed)
        return error_set(error, ENOMEM, "no memory for the options");
    if (options->policy_count == 0)
        return error_set(error, EINVAL,
                         "which policies? Say --policy NAME[,NAME...] or --policy all");
    if (options->size_count == 0 && options->curves.count == 0)
        return error_set(error, EINVAL,
                         "how many frames? Say --frames N[,N...], or shares of the "
                         "trace's pages: --frames 1%%,10%%");
    for (size_t i = 0; i < options->curves.count && result == 0; i++)
        result = plot_check_path(options->curves.items[i], options->path, &options->look, error);
    if (result != 0)
        return result;
    if (options->no_floor && options->curves.count == 0)
        return error_set(error, EINVAL, "--no-floor is for curves: say --curve FILE");
    if (options->baseline != NULL && options->curves.count == 0)
        return error_set(error, EINVAL, "--baseline is for curves: say --curve FILE");
    if (options->over_time.count > 0 && options->size_count == 0)
        return error_set(error, EINVAL, "--over-time shows sizes: say which by --frames");
    for (size_t i = 0; i < options->over_time.count; i++)
        if (plot_check_path(options->over_time.items[i], options->path, &options->look, error) != 0)
            return -EINVAL;
    if (options->heat != NULL && options->size_count == 0)
        return error_set(error, EINVAL, "--heat draws sizes: say which by --frames");
    if (options->heat != NULL && heat_check(options->heat, options, error) != 0)
        return -EINVAL;
    if (options->json && options->csv)
        return error_set(error, EINVAL, "--json and --csv both write standard output: choose one");
    return 0;
}

/* The end of the help: every format and every policy. */
static void print_lists(FILE *out)
{
    const struct sp_policy *policy;
    const char *name, *summary, *format_options;

    fputs("\nFormats of traces:\n", out);
    for (size_t i = 0; (name = trace_format_name(i, &summary, &format_options)) != NULL; i++) {
        fprintf(out, "  %-16s %s\n", name, summary);
        if (format_options != NULL)
            fprintf(out, "    :OPTIONS       %s\n", format_options);
    }
    fputs(
        "In csv, columns count from 1. obj-id-col=2+5: column 2 is a device, volume or file, and 5 the\n"
        "id or address within it. A reference is made as often as cnt-col says. Operations such as w,\n"
        "write, set, put are writes. A first line that names the columns is recognised, and says\n"
        "which are used where no option does.\n",
        out);

    fputs("\nPolicies, with their parameters, presets and limits:\n", out);
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        const struct sp_policy_param *param = policy->params;

        fprintf(out, "  %-12s %s\n", policy->name, policy->summary != NULL ? policy->summary : "");
        for (; param != NULL && param->name != NULL; param++)
            fprintf(out, "    %-14s %g (%g to %g): %s\n", param->name, param->preset, param->least,
                    param->most, param->help);
    }
}

#define FIELD(name) offsetof(struct replay_options, name)

static const struct option_row rows[] = {
    {"policy", OPTION_CALL, .take = policy_take, .value = "LIST",
     .help = "policies, as NAME, NAME:PARAM=VALUE[,PARAM=VALUE...] or, from a shared object, "
             "./PATH.so[:...]; all: every one below. A semicolon starts a new policy; so does a "
             "comma, unless what follows it is PARAM=VALUE. May be given often"},
    {"frames", OPTION_CALL, .take = frames_take, .value = "LIST",
     .help = "sizes, in frames (1000) or as shares of the trace's pages, rounded down (1%); "
             "shares need a trace that can be read twice, or one whose header counts its pages"},
    {"format", OPTION_TEXT, FIELD(trace.format), .value = "FORMAT",
     .help =
         "format of the trace, one of those below (otherwise by the name of the file, then by what "
         "is in it)"},
    {"csv-options", OPTION_CALL, .take = csv_options_take, .letter = 't', .value = "OPTIONS",
     .help = "the same as --format csv:OPTIONS"},
    {"page-size", OPTION_U32, FIELD(trace.page_size), TRACE_PAGE_SIZE_LEAST, TRACE_PAGE_SIZE_MOST,
     .value = "BYTES",
     .help = "split references into pages of this size, a power of two. Without it an id stands "
             "for one page, whatever its size (lackey: pages of 4096 bytes). With it an id is "
             "an object with pages of its own, and a reference to an object of 10000 bytes is, "
             "in pages of 4096, three references, to its first, second and third page; a size "
             "of 0 counts as one byte"},
    {"id-unit", OPTION_U64, FIELD(trace.id_unit), 1, UINT32_MAX, .value = "BYTES",
     .help = "ids are addresses that count so many bytes (512: sectors); a reference is then "
             "split into the pages of the address space that it covers, from the page of its "
             "first to that of its last byte (lackey: always, 1)"},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX, .value = "S",
     .help = "seed of all that is random (1)"},
    {"threads", OPTION_U32, FIELD(threads), 1, REPLAY_THREADS_MOST, .value = "N",
     .help = "(as many as there are cores). Results do not depend on it"},
    {"max-pages", OPTION_U32, FIELD(pages_most), 1, PAGE_TABLE_MOST, .value = "N",
     .help = "the most different pages to prepare for where the size of the trace does not tell "
             "(134217728)"},
    {"num-req", OPTION_U64, FIELD(limit), 1, UINT64_MAX, .letter = 'n', .value = "N",
     .help = "read the first N references only; sizes in shares count their pages"},
    {"warm-up", OPTION_U64, FIELD(warm_up), 1, UINT64_MAX, .value = "N",
     .help = "the first N references fill the frames, and are not counted (curves: they are)"},
    {"json", OPTION_FLAG, FIELD(json),
     .help =
         "print an array of objects, one for each policy and size: policy, frames, "
         "references, misses, miss_ratio, evictions, dirty_evictions, "
         "references_per_second, reads, writes, pages, policy_errors, and, 0 where the trace tells "
         "no sizes, bytes, missed_bytes, byte_miss_ratio"},
    {"csv", OPTION_FLAG, FIELD(csv),
     .help = "print the same as comma-separated values, with a header"},
    {"bytes", OPTION_FLAG, FIELD(bytes),
     .help =
         "count bytes, too, where the trace tells sizes: the table has the byte miss ratio beside the "
         "miss ratio (--json and --csv always have). Takes about a tenth more time"},
    {"assert", OPTION_CALL, .take = assert_take, .value = "EXPRESSION",
     .help = "exit with 1 unless it holds: 'sieve.miss_ratio <= lru.miss_ratio' at every size, "
             "'sieve@1000.misses < 90000' at one. Names are policies as given, fields those of "
             "--json. May be given often"},
    {"curve", OPTION_CALL, .take = curve_take, .value = "FILE",
     .help = "write miss ratios at many sizes to FILE: .csv, .svg, .png, .pdf or .eps "
             "(pictures are drawn by gnuplot). Exact for lru, at all sizes in one pass; the "
             "others are sampled where there are many pages, and take two passes. The error "
             "beside them is that of chance and of sampling (sizes at which a sample has fewer "
             "than 16 frames are left out); of wtinylfu it leaves out what its sketch does. belady "
             "joins them as the floor. May be given often, with or without --frames"},
    {"no-floor", OPTION_FLAG, FIELD(no_floor),
     .help =
         "curves without belady unless it is one of --policy: the curve of lru alone takes about as "
         "long as one replay, that of belady many times as long"},
    {"title", OPTION_TEXT, FIELD(look.title), .value = "TEXT",
     .help = "title of the pictures, instead of what they say of themselves; none if it is empty"},
    {"size", OPTION_TEXT, FIELD(look.size), .value = "WIDTHxHEIGHT",
     .help = "size of the pictures in pixels, 96 to the inch (default: 960x640)"},
    {"sources", OPTION_FLAG, FIELD(look.sources),
     .help = "beside each picture, write what it is drawn from: FILE.gp, the commands for gnuplot "
             "with the data, and FILE.csv, the data alone"},
    {"font", OPTION_TEXT, FIELD(look.font), .value = "NAME[,POINTS]",
     .help = "font of the pictures (that of gnuplot)"},
    {"over-time", OPTION_CALL, .take = over_time_take, .value = "FILE",
     .help = "write the miss ratio of each policy and size in each interval of the trace to FILE: "
             ".csv, .svg, .png, .pdf or .eps. May be given often"},
    {"report-interval", OPTION_U64, FIELD(interval), 100, UINT64_MAX, .value = "N",
     .help = "references of such an interval (100000)"},
    {"baseline", OPTION_TEXT, FIELD(baseline), .value = "POLICY",
     .help =
         "curves are differences of the miss ratio to that of POLICY, which is one of --policy, or "
         "belady: below 0 is better"},
    {"heat", OPTION_TEXT, FIELD(heat), .value = "FILE",
     .help = "draw the miss ratio of every policy at every size as a map of colours to FILE: .svg, "
             ".png, .pdf or .eps"},
    {"score", OPTION_FLAG, FIELD(score),
     .help = "print one number for the policy, and nothing else: by how much it misses less than "
             "fifo, of fifo's misses (more: of its own, and below 0), the mean over all sizes and, "
             "if TRACE is a folder, all files in it"},
    {"time-limit", OPTION_U32, FIELD(time_limit), 1, UINT32_MAX, .value = "SECONDS",
     .help = "of a score: end a policy that takes longer, with exit status 1"},
    {"memory-limit", OPTION_U32, FIELD(memory_limit), 1, UINT32_MAX, .value = "MIB",
     .help = "of a score: the same for memory, that of the replay included"},
    {"list-jobs", OPTION_FLAG, FIELD(list_jobs),
     .help = "print independent commands, one for each policy and size, that together do the "
             "same; selfpage merge merges what they print"},
    {"quiet", OPTION_FLAG, FIELD(quiet), .help = "no progress line, no notes"},
};

/* Options of libCacheSim's cachesim, and of Caffeine's simulator. */
static const struct option_elsewhere elsewhere[] = {
    {"sample-ratio", 's', "selfpage convert --sample 1% TRACE OUT writes a sample"},
    {"ignore-obj-size", 0,
     "leave it out: an object is one page, whatever its size, unless there is --page-size"},
    {"consider-obj-metadata", 0, "leave it out: a page has no metadata that takes frames"},
    {"eviction-params", 'e', "parameters follow the policy, as in --policy slru:segments=4"},
    {"eviction-algo", 0, "say --policy NAME"},
    {"policies", 0, "say --policy NAME[,NAME...]"},
    {"cache-size", 0, "say --frames N, or a share of the pages as in --frames 1%"},
    {"maximum-size", 0, "say --frames N, or a share of the pages as in --frames 1%"},
    {"trace-type", 0, "say --format NAME, or nothing: most files show of which format they are"},
    {"trace-type-params", 0, "say -t OPTIONS for csv, or --format binary:OPTIONS"},
    {"admission", 'a',
     "not here, since a page has to be in memory when it is used; of wtinylfu, s3fifo and 2q, a new "
     "page soon leaves again"},
    {"admission-params", 0, "there is no admission before a policy here"},
    {"prefetch", 'p', "a replay does not read ahead"},
    {"prefetch-params", 0, "a replay does not read ahead"},
    {"use-ttl", 0, "pages do not expire"},
    {"warmup-sec", 0, "say --warm-up N, in references"},
    {"num-thread", 0, "say --threads N"},
    {"output", 'o', "results go to standard output: say --csv or --json, and > FILE"},
    {"print-head-req", 0,
     "selfpage convert TRACE - --to csv --num-req 10 prints the first references"},
    {"verbose", 'v', "leave it out: all is said unless there is --quiet"},
    {NULL},
};

static const struct options_syntax syntax = {
    .program = "selfpage replay",
    .usage = "--policy POLICY[,POLICY...] --frames N[,N...] [options] TRACE",
    .about = about,
    .notes = notes,
    .exit_statuses = "0 done, and every assertion holds; 1 one does not; 2 it could not run.",
    .more = print_lists,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .elsewhere = elsewhere,
    .operands = "TRACE",
    .least = 1,
    .most = 1,
    .operand = trace_take,
    .check = check_options,
};

enum options_verdict replay_options_parse(int argc, char **argv, struct replay_options *options,
                                          struct sp_error *error)
{
    *options =
        (struct replay_options){.seed = 1, .pages_most = PASS_PAGES_MOST, .interval = 100000};
    return options_parse(argc, argv, &syntax, options, error);
}

void replay_options_fini(struct replay_options *options)
{
    for (size_t i = 0; i < options->policy_count; i++)
        load_policy_end(&options->policies[i].handle);
    free(options->policies);
    free(options->sizes);
    free(options->csv_format);
    strings_fini(&options->labels);
    strings_fini(&options->size_texts);
    strings_fini(&options->assertions);
    strings_fini(&options->curves);
    strings_fini(&options->over_time);
}
