/* A small parser: contracts split at ';', words at ',', each word NAME=VALUE. The first word of a
 * contract names its kind. */
#include "core/contracts/terms_text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/nearest.h"

struct word {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
};

static const char *const kind_names[SP_CONTRACT_KINDS] = {"guaranteed", "extra", "timed"};

static const char *const breach_names[SP_BREACH_ACTIONS] = {"revoke", "kill", "warn", "penalty",
                                                            "repossess"};

const char *terms_text_kind(unsigned kind)
{
    check(kind <= SP_CONTRACT_KINDS);
    return kind < SP_CONTRACT_KINDS ? kind_names[kind] : "?";
}

static bool is(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* Digits at the front of the text: returns how many, 0 if none or if the number does not fit. */
static size_t digits(const char *text, size_t length, uint64_t *numberp)
{
    uint64_t number = 0;
    size_t n = 0;

    for (; n < length && text[n] >= '0' && text[n] <= '9'; n++) {
        unsigned digit = (unsigned)(text[n] - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    check(n <= length);
    *numberp = number;
    return n;
}

int terms_text_time(const char *text, size_t length, uint64_t *nsp)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},
                 {"us", UINT64_C(1000)},
                 {"ms", UINT64_C(1000000)},
                 {"s", UINT64_C(1000000000)},
                 {"m", UINT64_C(60000000000)},
                 {"h", UINT64_C(3600000000000)}};
    uint64_t number;
    size_t n;

    if (is(text, length, "forever")) {
        *nsp = SP_FOREVER;
        return 0;
    }
    n = digits(text, length, &number);
    if (n == 0)
        return -EINVAL;
    check(n <= length);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!is(text + n, length - n, units[i].name))
            continue;
        if (number >= SP_FOREVER / units[i].ns)
            return -EINVAL;
        *nsp = number * units[i].ns;
        return 0;
    }
    return -EINVAL;
}

static bool number_below(const struct word *word, uint64_t limit, uint64_t *numberp)
{
    return digits(word->value, word->value_length, numberp) == word->value_length &&
           word->value_length > 0 && *numberp < limit;
}

/* A grace: a time, or a number of allocations with an 'a' behind it. Both graces of a contract are
 * counted in one unit. */
static bool parse_grace(const struct word *word, struct sp_terms *terms, uint64_t *gracep,
                        bool *unit_known)
{
    uint8_t unit = SP_GRACE_TIME;
    uint64_t grace;
    size_t n = digits(word->value, word->value_length, &grace);

    check(n <= word->value_length);
    if (n > 0 && is(word->value + n, word->value_length - n, "a"))
        unit = SP_GRACE_ALLOCATIONS;
    else if (terms_text_time(word->value, word->value_length, &grace) != 0)
        return false;
    if (grace == 0 || (*unit_known && terms->grace_unit != unit))
        return false;
    terms->grace_unit = unit;
    *unit_known = true;
    *gracep = grace;
    return true;
}

static bool parse_breach(const struct word *word, struct sp_terms *terms)
{
    for (unsigned i = 0; i < SP_BREACH_ACTIONS; i++) {
        if (is(word->value, word->value_length, breach_names[i])) {
            terms->on_breach = (uint8_t)i;
            return true;
        }
    }
    return false;
}

/* What the number of such a word has to be below; 0: the word has no number. */
static uint64_t limit_of(const struct word *word)
{
    static const struct {
        const char *name;
        uint64_t limit;
    } numbers[] = {{"guaranteed", UINT32_MAX}, {"extra", UINT32_MAX},  {"timed", UINT32_MAX},
                   {"min", UINT32_MAX},        {"weight", UINT32_MAX}, {"order", 32},
                   {"bid", UINT64_MAX}};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (is(word->name, word->name_length, numbers[i].name))
            return numbers[i].limit;
    check(word->name != NULL);
    return 0;
}

static bool parse_term(const struct word *word, struct sp_terms *terms, bool *unit_known)
{
    uint64_t number = 0;
    bool is_number = number_below(word, limit_of(word), &number);

    if (is(word->name, word->name_length, "min") && is_number)
        terms->min = (uint32_t)number;
    else if (is(word->name, word->name_length, "weight") && is_number)
        terms->weight = (uint32_t)number;
    else if (is(word->name, word->name_length, "order") && is_number)
        terms->order = (uint8_t)number;
    else if (is(word->name, word->name_length, "bid") && is_number)
        terms->bid = number;
    else if (is(word->name, word->name_length, "term"))
        return terms_text_time(word->value, word->value_length, &terms->term_ns) == 0;
    else if (is(word->name, word->name_length, "clean"))
        return parse_grace(word, terms, &terms->t_clean, unit_known);
    else if (is(word->name, word->name_length, "drop"))
        return parse_grace(word, terms, &terms->t_drop, unit_known);
    else if (is(word->name, word->name_length, "breach"))
        return parse_breach(word, terms);
    else
        return false;
    return true;
}

/* The word names a time, and its value is a number without a unit. */
static bool lacks_unit(const struct word *word)
{
    static const char *const times[] = {"term", "clean", "drop"};
    uint64_t number;

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (is(word->name, word->name_length, times[i]))
            return word->value_length > 0 &&
                   digits(word->value, word->value_length, &number) == word->value_length;
    return false;
}

/* The name of a word that the mistyped one is nearest to; NULL: none, or it is right. */
static const char *nearest_name(const struct word *word)
{
    static const char *const names[] = {"guaranteed", "extra", "timed",  "claim", "min",    "term",
                                        "clean",      "drop",  "breach", "order", "weight", "bid"};
    char name[40];
    struct nearest nearest = NEAREST_START(name);
    size_t length = word->name_length < sizeof(name) ? word->name_length : sizeof(name) - 1;

    memcpy(name, word->name, length);
    name[length] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        nearest_offer(&nearest, names[i]);
    return nearest.distance > 0 ? nearest.best : NULL;
}

static int wrong_word(const struct word *word, struct sp_error *error)
{
    const char *nearest = nearest_name(word);
    int name_length = (int)(word->name_length < 40 ? word->name_length : 40);
    int value_length = (int)(word->value_length < 40 ? word->value_length : 40);
    uint64_t number;

    if (lacks_unit(word))
        return error_set(error, EINVAL,
                         "contract: '%.*s=%.*s' lacks a unit: %.*s=%.*ss, or ns, us, ms, m or h",
                         name_length, word->name, value_length, word->value, name_length,
                         word->name, value_length, word->value);
    if (limit_of(word) != 0 && !number_below(word, limit_of(word), &number))
        return error_set(error, EINVAL, "contract: '%.*s=%.*s' is no number from 0 to %llu",
                         name_length, word->name, value_length, word->value,
                         (unsigned long long)limit_of(word) - 1);
    if (nearest != NULL)
        return error_set(error, EINVAL,
                         "contract: '%.*s=%.*s' is not understood: did you mean %s=?", name_length,
                         word->name, value_length, word->value, nearest);
    return error_set(
        error, EINVAL,
        "contract: '%.*s=%.*s' is not understood; a contract is claim=TOKEN or "
        "guaranteed|extra|timed=FRAMES, then any of min=N, term=TIME, clean=GRACE, "
        "drop=GRACE, breach=revoke|kill|warn|penalty|repossess, order=N, weight=N, bid=N",
        name_length, word->name, value_length, word->value);
}

/* Cut the word at *textp, up to one of the two separators, off the text. */
static struct word next_word(const char **textp)
{
    const char *text = *textp;
    size_t length = strcspn(text, ",;");
    const char *equals = memchr(text, '=', length);
    struct word word = {.name = text, .name_length = length, .value = text + length};

    check(length <= strlen(text));
    if (equals != NULL) {
        word.name_length = (size_t)(equals - text);
        word.value = equals + 1;
        word.value_length = length - word.name_length - 1;
    }
    check(word.name_length + word.value_length <= length);
    *textp = text + length;
    return word;
}

static int parse_contract(const char **textp, struct wanted_contract *wanted,
                          struct sp_error *error)
{
    struct word word = next_word(textp);
    struct sp_terms *terms = &wanted->terms;
    bool unit_known = false;
    uint64_t frames;
    unsigned kind = 0;

    *wanted = (struct wanted_contract){0};
    if (is(word.name, word.name_length, "claim")) {
        if (number_below(&word, UINT64_MAX, &wanted->token) && wanted->token != 0 && **textp != ',')
            return 0;
        return wrong_word(&word, error);
    }
    while (kind < SP_CONTRACT_KINDS && !is(word.name, word.name_length, kind_names[kind]))
        kind++;
    if (kind == SP_CONTRACT_KINDS || !number_below(&word, limit_of(&word), &frames))
        return wrong_word(&word, error);
    *terms = (struct sp_terms){.kind = (uint8_t)kind,
                               .frames = (uint32_t)frames,
                               .min = (uint32_t)frames,
                               .term_ns = SP_FOREVER};
    while (**textp == ',') {
        (*textp)++;
        word = next_word(textp);
        if (!parse_term(&word, terms, &unit_known))
            return wrong_word(&word, error);
        wanted->says_breach = wanted->says_breach || is(word.name, word.name_length, "breach");
    }
    return 0;
}

int terms_text_parse(const char *text, struct wanted_contract wanted[TERMS_MAX],
                     struct sp_error *error)
{
    int count = 0;

    for (;;) {
        int result;

        if (count == (int)TERMS_MAX)
            return error_set(error, EINVAL, "contract: more than %u contracts in one text",
                             TERMS_MAX);
        result = parse_contract(&text, &wanted[count], error);
        if (result != 0)
            return result;
        count++;
        if (*text == '\0')
            return count;
        text++; /* the ';' */
        if (*text == '\0')
            return count;
    }
}
