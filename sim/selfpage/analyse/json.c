#include "selfpage/analyse/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>

/* Jansson's functions take NULL and say that they failed; what is collected is looked at once. */
static void put(json_t *object, const char *name, json_t *value, bool *failed)
{
    *failed |= json_object_set_new(object, name, value) != 0;
}

static void add(json_t *array, json_t *value, bool *failed)
{
    *failed |= json_array_append_new(array, value) != 0;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* An id may be any number of 64 bits; those that are no JSON integer are texts. */
static json_t *id_json(uint64_t id)
{
    char text[24];

    if (id <= INT64_MAX)
        return number(id);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
    return json_string(text);
}

static json_t *popularity(const struct analysis *a, bool *failed)
{
    static const double shares[] = {0.001, 0.01, 0.1, 0.2, 0.5};
    const struct popular *p = &a->popular;
    json_t *object = json_object(), *top = json_array(), *octaves = json_array(),
           *heads = json_array();

    for (size_t i = 0; i < p->top_count; i++)
        add(top,
            json_pack("{s:o, s:o}", "id", id_json(a->table.ids[p->top[i]]), "references",
                      number(p->counts[i])),
            failed);
    for (unsigned i = 0; i < POPULAR_BITS; i++)
        if (p->octaves[i] > 0)
            add(octaves,
                json_pack("{s:o, s:o}", "references_from", number(UINT64_C(1) << i), "pages",
                          number(p->octaves[i])),
                failed);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        add(heads,
            json_pack("{s:f, s:f}", "pages_share", shares[i], "references_share",
                      popular_share(p, shares[i])),
            failed);
    put(object, "referenced_once", number(p->octaves[0]), failed);
    put(object, "zipf_exponent", json_real(p->exponent), failed);
    put(object, "zipf_fit", json_real(p->fit), failed);
    put(object, "shares", heads, failed);
    put(object, "octaves", octaves, failed);
    put(object, "top", top, failed);
    return object;
}

static json_t *reuse(const struct analysis *a, bool *failed)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < ANALYSIS_OCTAVES; i++)
        if (a->reuse[i] > 0)
            add(array,
                json_pack("{s:o, s:o}", "distance_from", number(UINT64_C(1) << i), "references",
                          number(a->reuse[i])),
                failed);
    return array;
}

/* LRU at powers of two, up to the first that holds all pages. */
static json_t *lru(const struct analysis *a, bool *failed)
{
    json_t *array = json_array();
    uint64_t frames = 1;

    for (; a->references > 0; frames *= 2) {
        add(array,
            json_pack("{s:o, s:f}", "frames", number(frames), "miss_ratio",
                      analysis_lru(a, (uint32_t)frames)),
            failed);
        if (frames >= a->table.count)
            break;
    }
    return array;
}

static json_t *pattern(const struct pattern *p, const char *measure, json_int_t value)
{
    return json_pack("{s:o, s:o, s:o, s:I}", "runs", number(p->runs), "references",
                     number(p->references), "longest", number(p->longest), measure, value);
}

static json_t *windows(const struct analysis *a, bool *failed)
{
    json_t *array = json_array();

    for (size_t i = 0; i < a->windows.count; i++)
        add(array,
            json_pack("{s:o, s:o, s:o, s:o, s:o}", "from", number((uint64_t)i << a->windows.level),
                      "references", number(a->windows.window[i].references), "pages",
                      number(windows_pages(&a->windows, i)), "new_pages",
                      number(a->windows.window[i].fresh), "writes",
                      number(a->windows.window[i].writes)),
            failed);
    return array;
}

/* By the length of the window. */
static json_t *working_sets(const struct analysis *a, bool *failed)
{
    json_t *array = json_array();

    for (unsigned level = 0; a->references > 0 && level < WINDOWS_LEVELS; level++) {
        add(array,
            json_pack("{s:o, s:f}", "window", number(UINT64_C(1) << level), "pages",
                      windows_mean(&a->windows, level)),
            failed);
        if (UINT64_C(1) << level >= a->references)
            break;
    }
    return array;
}

static json_t *whole(const struct analysis *a, bool *failed)
{
    json_t *object = json_object();

    put(object, "references", number(a->references), failed);
    put(object, "reads", number(a->references - a->writes), failed);
    put(object, "writes", number(a->writes), failed);
    put(object, "pages", number(a->table.count), failed);
    if (a->hot.references > 0)
        put(object, "hot",
            json_pack("{s:o, s:o, s:f, s:f}", "page_size", number(a->page_size), "references",
                      number(HOT_SPAN), "lines", hot_lines(&a->hot), "lines_ever",
                      hot_lines_ever(&a->hot)),
            failed);
    put(object, "pages_written", number(a->pages_written), failed);
    put(object, "bytes", number(a->bytes), failed);
    put(object, "size_least", number(a->smallest), failed);
    put(object, "size_most", number(a->largest), failed);
    put(object, "popularity", popularity(a, failed), failed);
    put(object, "reuse", reuse(a, failed), failed);
    put(object, "lru", lru(a, failed), failed);
    put(object, "scans", pattern(&a->patterns.scans, "step", (json_int_t)a->patterns.scans.measure),
        failed);
    put(object, "scans_new_pages", number(a->patterns.fresh), failed);
    put(object, "loops",
        pattern(&a->patterns.loops, "period", (json_int_t)a->patterns.loops.measure), failed);
    put(object, "repeats", number(a->patterns.repeats), failed);
    put(object, "working_set", working_sets(a, failed), failed);
    put(object, "windows", windows(a, failed), failed);
    return object;
}

int json_print(FILE *out, const struct analysis *analysis)
{
    bool failed = false, lost;
    json_t *object = whole(analysis, &failed);
    int result = 0;

    if (failed)
        result = -ENOMEM;
    else if (json_dumpf(object, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) != 0 ||
             fputc('\n', out) == EOF)
        result = -EIO;
    json_decref(object);
    lost = ferror(out) != 0;
    if (fflush(out) != 0 && result == 0)
        result = -errno;
    return result == 0 && lost ? -EIO : result;
}
