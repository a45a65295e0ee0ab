#include "workload/workload_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "core/contracts/terms_text.h"

#define MILLION UINT64_C(1000000)

#define NO_PAGES                                                                                   \
    "pages is missing: how many pages does the program use? (Traces alone tell it themselves.)"

/* Most references of a phase, and rounds: a run of more never ends. */
#define REFERENCES_MAX UINT64_C(1000000000000)
#define ROUNDS_MAX     UINT64_C(1000000000)
/* Longest pause. */
#define PAUSE_MAX (UINT64_C(1000) * 3600 * 1000000000)

static const char *const kinds[] = {[SP_PRECIOUS] = "precious",
                                    [SP_DISCARDABLE] = "discardable",
                                    [SP_REMANUFACTURABLE] = "remanufacturable"};

/* One KEY=VALUE. */
struct pair {
    const char *key, *value;
    int key_length, value_length;
};

struct parsing {
    struct workload *workload;
    struct workload_phase *phase; /* NULL: in the first part */
    struct sp_error *error;
    bool patterned; /* the phase has its pattern */
};

/* The value is wrong. */
static int wrong(const struct parsing *parsing, const struct pair *pair, const char *expected)
{
    return error_set(parsing->error, EINVAL, "%.*s=%.*s: %s", pair->key_length, pair->key,
                     pair->value_length < 60 ? pair->value_length : 60, pair->value, expected);
}

static bool is(const char *text, int length, const char *word)
{
    return strlen(word) == (size_t)length && memcmp(text, word, (size_t)length) == 0;
}

/* A whole number from `least` to `most`. */
static int number(const struct parsing *parsing, const struct pair *pair, uint64_t least,
                  uint64_t most, uint64_t *resultp)
{
    uint64_t result = 0;
    char expected[80];
    bool good = pair->value_length > 0;

    for (int i = 0; i < pair->value_length && good; i++) {
        unsigned digit = (unsigned)(pair->value[i] - '0');

        good = digit <= 9 && result <= (most - digit) / 10;
        result = result * 10 + digit;
    }
    if (good && result >= least) {
        *resultp = result;
        return 0;
    }
    snprintf(expected, sizeof(expected), "not a whole number from %llu to %llu",
             (unsigned long long)least, (unsigned long long)most);
    return wrong(parsing, pair, expected);
}

static int number32(const struct parsing *parsing, const struct pair *pair, uint32_t least,
                    uint32_t most, uint32_t *resultp)
{
    uint64_t result = 0;
    int rc = number(parsing, pair, least, most, &result);

    if (rc == 0)
        *resultp = (uint32_t)result;
    return rc;
}

/* A decimal number from 0 to `most`, in millionths; digits beyond them do not count. */
static int decimal(const struct parsing *parsing, const struct pair *pair, unsigned most,
                   uint32_t *resultp)
{
    uint64_t result = 0, unit = MILLION;
    bool point = false, digits = false;
    char expected[60];

    for (int i = 0; i < pair->value_length; i++) {
        unsigned digit = (unsigned)(pair->value[i] - '0');

        if (pair->value[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (digit > 9)
            goto bad;
        digits = true;
        if (point)
            unit /= 10;
        result = point ? result + digit * unit : result * 10 + digit * MILLION;
        if (result > most * MILLION)
            goto bad;
    }
    if (!digits)
        goto bad;
    *resultp = (uint32_t)result;
    return 0;
bad:
    snprintf(expected, sizeof(expected), "not a decimal number from 0 to %u", most);
    return wrong(parsing, pair, expected);
}

static int time_of(const struct parsing *parsing, const struct pair *pair, uint64_t *nsp)
{
    uint64_t ns;

    if (terms_text_time(pair->value, (size_t)pair->value_length, &ns) != 0 || ns > PAUSE_MAX)
        return wrong(
            parsing, pair,
            "not a time: a whole number and ns, us, ms, s, m or h, as in 1500us, at most 1000h");
    *nsp = ns;
    return 0;
}

/* ---- The whole ---- */

static int take_kind(const struct parsing *parsing, const struct pair *pair)
{
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (is(pair->value, pair->value_length, kinds[i])) {
            parsing->workload->kind = (uint8_t)i;
            return 0;
        }
    return wrong(parsing, pair, "not precious, discardable or remanufacturable");
}

static int take_recalls(const struct parsing *parsing, const struct pair *pair)
{
    bool ignore = is(pair->value, pair->value_length, "ignore");

    parsing->workload->ignores = ignore;
    if (ignore || is(pair->value, pair->value_length, "answer"))
        return 0;
    return wrong(parsing, pair, "not answer or ignore");
}

static int take_of_whole(const struct parsing *parsing, const struct pair *pair)
{
    struct workload *workload = parsing->workload;

    if (is(pair->key, pair->key_length, "pages"))
        return number32(parsing, pair, 1, WORKLOAD_PAGES_MAX, &workload->pages);
    if (is(pair->key, pair->key_length, "rounds"))
        return number32(parsing, pair, 1, ROUNDS_MAX, &workload->rounds);
    if (is(pair->key, pair->key_length, "kind"))
        return take_kind(parsing, pair);
    if (is(pair->key, pair->key_length, "recalls"))
        return take_recalls(parsing, pair);
    if (is(pair->key, pair->key_length, "refill"))
        return time_of(parsing, pair, &workload->refill_ns);
    return wrong(parsing, pair,
                 "no such key: the first part has pages, kind, rounds, recalls, refill");
}

/* ---- Phases ---- */

/* Whether a path is absolute, or has a part "..". */
static bool leads_out(const char *path)
{
    if (*path == '/')
        return true;
    for (; path != NULL; path = strchr(path, '/')) {
        path += *path == '/';
        if (strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'))
            return true;
    }
    return false;
}

/* Returns 1 if the key is not a pattern. */
static int take_pattern(struct parsing *parsing, const struct pair *pair)
{
    static const char *const names[WORKLOAD_PATTERNS] = {"zipf", "scan",  "loop", "markov",
                                                         "idle", "trace", "file"};
    struct workload_phase *phase = parsing->phase;
    unsigned pattern = 0;

    while (pattern < WORKLOAD_PATTERNS && !is(pair->key, pair->key_length, names[pattern]))
        pattern++;
    if (pattern == WORKLOAD_PATTERNS)
        return 1;
    if (parsing->patterned)
        return wrong(parsing, pair,
                     "a phase has one pattern: zipf, scan, loop, markov, idle, trace or file");
    parsing->patterned = true;
    phase->pattern = (uint8_t)pattern;
    switch ((enum workload_pattern)pattern) {
    case WORKLOAD_ZIPF: {
        int rc = decimal(parsing, pair, 4, &phase->exponent);

        phase->exponent = (phase->exponent + 500) / 1000;
        return rc;
    }
    case WORKLOAD_SCAN:
        return number32(parsing, pair, 1, WORKLOAD_PAGES_MAX, &phase->stride);
    case WORKLOAD_LOOP:
    case WORKLOAD_MARKOV:
        return number32(parsing, pair, 1, WORKLOAD_PAGES_MAX, &phase->set);
    case WORKLOAD_IDLE:
        return time_of(parsing, pair, &phase->pause_ns);
    case WORKLOAD_TRACE:
    case WORKLOAD_FILE:
        if (pair->value_length == 0 || pair->value_length >= (int)sizeof(phase->path))
            return wrong(parsing, pair, "not a path of 1 to 255 bytes");
        memcpy(phase->path, pair->value, (size_t)pair->value_length);
        phase->path[pair->value_length] = '\0';
        return pattern == WORKLOAD_FILE && leads_out(phase->path)
                   ? wrong(parsing, pair, "not a path below what the file server serves")
                   : 0;
    case WORKLOAD_PATTERNS:
        break;
    }
    return 1;
}

static int take_of_phase(struct parsing *parsing, const struct pair *pair)
{
    struct workload_phase *phase = parsing->phase;
    int rc = take_pattern(parsing, pair);

    if (rc <= 0)
        return rc;
    if (is(pair->key, pair->key_length, "first"))
        return number32(parsing, pair, 0, WORKLOAD_PAGES_MAX, &phase->first);
    if (is(pair->key, pair->key_length, "pages"))
        return number32(parsing, pair, 1, WORKLOAD_PAGES_MAX, &phase->pages);
    if (is(pair->key, pair->key_length, "stay"))
        return number32(parsing, pair, 1, UINT32_MAX, &phase->stay);
    if (is(pair->key, pair->key_length, "writes"))
        return decimal(parsing, pair, 1, &phase->writes);
    if (is(pair->key, pair->key_length, "references"))
        return number(parsing, pair, 1, REFERENCES_MAX, &phase->references);
    if (is(pair->key, pair->key_length, "think"))
        return time_of(parsing, pair, &phase->think_ns);
    if (is(pair->key, pair->key_length, "burst"))
        return number32(parsing, pair, 1, UINT32_MAX, &phase->burst);
    if (is(pair->key, pair->key_length, "pause"))
        return time_of(parsing, pair, &phase->pause_ns);
    return wrong(
        parsing, pair,
        "no such key: a phase has zipf, scan, loop, markov, idle, trace or file, and first, pages, stay, "
        "writes, references, think, burst, pause");
}

/* Nobody has said how many pages there are: only a trace can tell. */
static int complete_unsized(const struct parsing *parsing)
{
    const struct workload_phase *phase = parsing->phase;

    if ((phase->pattern == WORKLOAD_TRACE || phase->pattern == WORKLOAD_IDLE) &&
        phase->first == 0 && phase->pages == 0)
        return 0;
    return error_set(parsing->error, EINVAL, NO_PAGES);
}

/* Fill in what the text leaves out, and check that the phase makes sense. */
static int complete_phase(const struct parsing *parsing, uint32_t index)
{
    struct workload_phase *phase = parsing->phase;
    uint32_t all = parsing->workload->pages;

    if (!parsing->patterned)
        return error_set(parsing->error, EINVAL,
                         "phase %u has no pattern: zipf, scan, loop, markov, idle, trace or file",
                         index + 1);
    if (phase->pattern != WORKLOAD_IDLE && phase->pause_ns > 0 && phase->burst == 0)
        return error_set(
            parsing->error, EINVAL,
            "phase %u has a pause without a burst: say after how many references it comes "
            "(burst), or think for a time after each",
            index + 1);
    if (phase->pattern == WORKLOAD_FILE && phase->writes > 0)
        return error_set(parsing->error, EINVAL,
                         "phase %u reads a file, and has writes: those are of pages", index + 1);
    if (all == 0)
        return complete_unsized(parsing);
    if (phase->first >= all)
        return error_set(parsing->error, EINVAL, "phase %u begins at page %u of %u", index + 1,
                         phase->first, all);
    if (phase->pages == 0)
        phase->pages = all - phase->first;
    if (phase->pages > all - phase->first)
        return error_set(parsing->error, EINVAL, "phase %u has %u pages from page %u on, of %u",
                         index + 1, phase->pages, phase->first, all);
    if (phase->set > phase->pages)
        return error_set(parsing->error, EINVAL, "phase %u: a set of %u pages, of %u", index + 1,
                         phase->set, phase->pages);
    if (phase->references == 0 && phase->pattern != WORKLOAD_TRACE &&
        phase->pattern != WORKLOAD_FILE) {
        uint64_t pages = phase->set != 0 ? phase->set : phase->pages;

        phase->references =
            phase->pattern == WORKLOAD_SCAN ? (pages - 1) / phase->stride + 1 : 10 * pages;
    }
    if (phase->stay == 0)
        phase->stay = phase->set < UINT32_MAX / 100 ? 100 * phase->set : UINT32_MAX;
    return 0;
}

/* ---- Text ---- */

/* Cut the next pair off a part. */
static struct pair next_pair(const char **textp, const char *end)
{
    const char *text = *textp;
    const char *comma = memchr(text, ',', (size_t)(end - text));
    const char *stop = comma != NULL ? comma : end;
    const char *equals = memchr(text, '=', (size_t)(stop - text));

    *textp = comma != NULL ? comma + 1 : end;
    if (equals == NULL)
        return (struct pair){text, stop, (int)(stop - text), 0};
    return (struct pair){text, equals + 1, (int)(equals - text), (int)(stop - equals - 1)};
}

static int parse_part(struct parsing *parsing, const char *text, const char *end)
{
    int rc = 0;

    while (text < end && rc == 0) {
        const struct pair pair = next_pair(&text, end);

        rc = parsing->phase != NULL ? take_of_phase(parsing, &pair) : take_of_whole(parsing, &pair);
    }
    return rc;
}

static bool has_trace(const struct workload *workload)
{
    for (uint32_t i = 0; i < workload->phases; i++)
        if (workload->phase[i].pattern == WORKLOAD_TRACE)
            return true;
    return false;
}

int workload_text_parse(struct workload *workload, const char *text, struct sp_error *error)
{
    struct parsing parsing = {.workload = workload, .error = error};
    const char *end = text + strcspn(text, ";");
    int rc;

    *workload = (struct workload){.rounds = 1};
    rc = parse_part(&parsing, text, end);
    while (rc == 0 && *end != '\0') {
        text = end + 1;
        end = text + strcspn(text, ";");
        if (workload->phases == WORKLOAD_PHASES_MAX)
            return error_set(error, EINVAL, "there are more than %u phases", WORKLOAD_PHASES_MAX);
        parsing.phase = &workload->phase[workload->phases];
        parsing.patterned = false;
        rc = parse_part(&parsing, text, end);
        if (rc == 0)
            rc = complete_phase(&parsing, workload->phases++);
    }
    if (rc == 0 && workload->pages == 0 && !has_trace(workload))
        return error_set(error, EINVAL, NO_PAGES);
    if (rc == 0 && workload->phases == 0)
        return error_set(error, EINVAL,
                         "there is no pattern: zipf, scan, loop, markov, idle, trace or file");
    return rc;
}
