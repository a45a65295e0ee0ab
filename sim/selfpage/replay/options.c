#include "selfpage/replay/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "policy/registry.h"
#include "replay/pass.h"
#include "selfpage/replay/curve.h"

enum option_key {
    OPTION_POLICY = 256,
    OPTION_FRAMES,
    OPTION_FORMAT,
    OPTION_PAGE_SIZE,
    OPTION_ID_UNIT,
    OPTION_SEED,
    OPTION_THREADS,
    OPTION_MAX_PAGES,
    OPTION_JSON,
    OPTION_CSV,
    OPTION_ASSERT,
    OPTION_CURVE,
    OPTION_LIST_JOBS,
    OPTION_QUIET,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"policy", required_argument, NULL, OPTION_POLICY},
    {"frames", required_argument, NULL, OPTION_FRAMES},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"page-size", required_argument, NULL, OPTION_PAGE_SIZE},
    {"id-unit", required_argument, NULL, OPTION_ID_UNIT},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"max-pages", required_argument, NULL, OPTION_MAX_PAGES},
    {"json", no_argument, NULL, OPTION_JSON},
    {"csv", no_argument, NULL, OPTION_CSV},
    {"assert", required_argument, NULL, OPTION_ASSERT},
    {"curve", required_argument, NULL, OPTION_CURVE},
    {"list-jobs", no_argument, NULL, OPTION_LIST_JOBS},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- Policies ---- */

/* Every built-in policy. */
static void add_all(struct strings *labels)
{
    const struct sp_policy *policy;

    for (size_t i = 0; (policy = policy_builtin(i)) != NULL; i++)
        strings_add(labels, policy->name);
}

static bool is_assignment(const char *text)
{
    size_t name = strcspn(text, "=,;:/");

    return name > 0 && text[name] == '=';
}

void replay_policies_split(struct strings *labels, const char *list)
{
    while (*list != '\0') {
        size_t length = strcspn(list, ",;");

        while (list[length] == ',' && is_assignment(list + length + 1))
            length += 1 + strcspn(list + length + 1, ",;");
        if (length == 3 && strncmp(list, "all", 3) == 0)
            add_all(labels);
        else if (length > 0)
            strings_format(labels, "%.*s", (int)length, list);
        list += length;
        list += *list != '\0';
    }
}

static int find_policy(struct replay_policy *policy, const char *label, struct sp_error *error)
{
    int result;

    policy->label = label;
    result = policy_load(&policy->handle, label, error);
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

/* A whole number from `least` to `most`. */
static int take_number(const char *option, const char *text, uint64_t least, uint64_t most,
                       uint64_t *number, struct sp_error *error)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number >= least &&
        *number <= most)
        return 0;
    return error_set(error, EINVAL, "%s: \"%.60s\" is no whole number from %llu to %llu", option,
                     text, (unsigned long long)least, (unsigned long long)most);
}

int replay_size_parse(struct replay_size *size, const char *text, struct sp_error *error)
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
                             "--frames: \"%.60s\" is no share above 0 %% and up to 100 %%", text);
        return 0;
    }
    result = take_number("--frames", text, 1, UINT32_MAX - 1, &number, error);
    size->frames = (uint32_t)number;
    return result;
}

static void split_sizes(struct strings *texts, const char *list)
{
    while (*list != '\0') {
        size_t length = strcspn(list, ",;");

        if (length > 0)
            strings_format(texts, "%.*s", (int)length, list);
        list += length;
        list += *list != '\0';
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
        int result = replay_size_parse(&options->sizes[i], options->size_texts.items[i], error);

        if (result != 0)
            return result;
        options->size_count++;
    }
    return 0;
}

/* ---- Options ---- */

/* -t OPTIONS, as libCacheSim's users write it: --format csv:OPTIONS. */
static int take_csv_options(struct replay_options *options, const char *text,
                            struct sp_error *error)
{
    free(options->csv_format);
    if (asprintf(&options->csv_format, "csv:%s", text) < 0) {
        options->csv_format = NULL;
        return error_set(error, ENOMEM, "no memory for the options");
    }
    options->trace.format = options->csv_format;
    return 0;
}

static int option_take(int key, struct replay_options *options, char **argv, struct sp_error *error)
{
    uint64_t number = 0;
    int result = 0;

    switch (key) {
    case OPTION_POLICY:
        replay_policies_split(&options->labels, optarg);
        break;
    case OPTION_FRAMES:
        split_sizes(&options->size_texts, optarg);
        break;
    case OPTION_FORMAT:
        options->trace.format = optarg;
        break;
    case 't':
        return take_csv_options(options, optarg, error);
    case OPTION_PAGE_SIZE:
        result = take_number("--page-size", optarg, TRACE_PAGE_SIZE_LEAST, TRACE_PAGE_SIZE_MOST,
                             &number, error);
        options->trace.page_size = (uint32_t)number;
        break;
    case OPTION_ID_UNIT:
        result = take_number("--id-unit", optarg, 1, UINT32_MAX, &options->trace.id_unit, error);
        break;
    case OPTION_SEED:
        result = take_number("--seed", optarg, 0, UINT64_MAX, &options->seed, error);
        break;
    case OPTION_THREADS:
        result = take_number("--threads", optarg, 1, REPLAY_THREADS_MOST, &number, error);
        options->threads = (unsigned)number;
        break;
    case OPTION_MAX_PAGES:
        result = take_number("--max-pages", optarg, 1, PAGE_TABLE_MOST, &number, error);
        options->pages_most = (uint32_t)number;
        break;
    case OPTION_JSON:
        options->json = true;
        break;
    case OPTION_CSV:
        options->csv = true;
        break;
    case OPTION_ASSERT:
        strings_add(&options->assertions, optarg);
        break;
    case OPTION_CURVE:
        strings_add(&options->curves, optarg);
        break;
    case OPTION_LIST_JOBS:
        options->list_jobs = true;
        break;
    case OPTION_QUIET:
        options->quiet = true;
        break;
    case ':':
        return error_set(error, EINVAL, "%s needs a value (see selfpage replay --help)",
                         argv[optind - 1]);
    default:
        return error_set(error, EINVAL, "unknown option %.100s (see selfpage replay --help)",
                         argv[optind - 1]);
    }
    return result;
}

static int check_options(struct replay_options *options, struct sp_error *error)
{
    int result = find_policies(options, error);

    if (result == 0)
        result = find_sizes(options, error);
    if (result != 0)
        return result;
    if (options->labels.failed || options->size_texts.failed || options->assertions.failed ||
        options->curves.failed)
        return error_set(error, ENOMEM, "no memory for the options");
    if (options->policy_count == 0)
        return error_set(error, EINVAL,
                         "which policies? Say --policy NAME[,NAME...] or --policy all");
    if (options->size_count == 0 && options->curves.count == 0)
        return error_set(error, EINVAL,
                         "how many frames? Say --frames N[,N...], or shares of the "
                         "trace's pages: --frames 1%%,10%%");
    for (size_t i = 0; i < options->curves.count && result == 0; i++)
        result = curves_check_path(options->curves.items[i], error);
    if (result != 0)
        return result;
    if (options->json && options->csv)
        return error_set(error, EINVAL, "--json and --csv both write standard output: choose one");
    return 0;
}

static void print_help(void)
{
    const struct sp_policy *policy;

    fputs(replay_help, stdout);
    for (size_t i = 0; (policy = policy_builtin(i)) != NULL; i++) {
        const struct sp_policy_param *param = policy->params;

        printf("  %-12s %s\n", policy->name, policy->summary != NULL ? policy->summary : "");
        for (; param != NULL && param->name != NULL; param++)
            printf("    %-14s %g (%g to %g): %s\n", param->name, param->preset, param->least,
                   param->most, param->help);
    }
}

enum replay_options_verdict
replay_options_parse(int argc, char **argv, struct replay_options *options, struct sp_error *error)
{
    int key;

    *options = (struct replay_options){.seed = 1, .pages_most = PASS_PAGES_MOST};
    opterr = 0;
    optind = 1;
    while ((key = getopt_long(argc, argv, ":t:", option_table, NULL)) != -1) {
        if (key == OPTION_HELP) {
            print_help();
            return REPLAY_OPTIONS_EXIT;
        }
        if (option_take(key, options, argv, error) != 0)
            return REPLAY_OPTIONS_BAD;
    }
    if (argc - optind != 1) {
        error_set(error, EINVAL,
                  argc == optind ? "which TRACE? (see selfpage replay --help)"
                                 : "one TRACE at a time (see selfpage replay --help)");
        return REPLAY_OPTIONS_BAD;
    }
    options->path = argv[optind];
    return check_options(options, error) == 0 ? REPLAY_OPTIONS_RUN : REPLAY_OPTIONS_BAD;
}

void replay_options_fini(struct replay_options *options)
{
    for (size_t i = 0; i < options->policy_count; i++)
        policy_unload(&options->policies[i].handle);
    free(options->policies);
    free(options->sizes);
    free(options->csv_format);
    strings_fini(&options->labels);
    strings_fini(&options->size_texts);
    strings_fini(&options->assertions);
    strings_fini(&options->curves);
}
