#include "selfpage/top/detail.h"

#include <inttypes.h>

#include <selfpage/contract.h>

#include "base/assert.h"
#include "core/contracts/terms_text.h"
#include "selfpage/command/counters.h"
#include "selfpage/command/counters_json.h"

#define TIME_TEXT 24u

/* Columns that a counter takes, with the space behind it. */
#define COUNTER_WIDTH 40

/* Lines of at least so many columns have room for what is seldom asked. */
#define WIDE 110

static const struct observed_detail *known_of(const struct view *view, const struct view_task *task)
{
    return view->detail.task != 0 && view->detail.task == task->now.id ? &view->detail : NULL;
}

/* ---- Words ---- */

static const char *time_text(uint64_t ns, char text[TIME_TEXT])
{
    if (ns == SP_FOREVER)
        snprintf(text, TIME_TEXT, "forever");
    else if (ns >= UINT64_C(600000000000))
        snprintf(text, TIME_TEXT, "%.1fm", (double)ns / 60e9);
    else if (ns >= UINT64_C(1000000000))
        snprintf(text, TIME_TEXT, "%.1fs", (double)ns / 1e9);
    else if (ns >= 1000000)
        snprintf(text, TIME_TEXT, "%.1fms", (double)ns / 1e6);
    else
        snprintf(text, TIME_TEXT, "%.1fus", (double)ns / 1e3);
    return text;
}

static const char *grace_text(uint8_t unit, uint64_t grace, char text[TIME_TEXT])
{
    check(unit < SP_GRACE_UNITS);
    if (unit != SP_GRACE_ALLOCATIONS)
        return time_text(grace, text);
    snprintf(text, TIME_TEXT, "%" PRIu64 "a", grace);
    return text;
}

static const char *state_text(uint8_t state)
{
    static const char *const names[SP_CONTRACT_STATES] = {
        "none", "countered", "active", "expired", "recalled", "closed", "breached"};

    ensure(state < SP_CONTRACT_STATES);
    return names[state];
}

static const char *breach_text(uint8_t breach)
{
    static const char *const names[SP_BREACH_ACTIONS] = {"revoke", "kill", "warn", "penalty",
                                                         "repossess"};

    ensure(breach < SP_BREACH_ACTIONS);
    return names[breach];
}

/* ---- For people ---- */

static void print_contracts(FILE *out, const struct observed_detail *detail, bool wide)
{
    fprintf(out, "%-8s %-10s %7s %7s %-9s %9s %7s %6s %6s%s\n", "CONTRACT", "KIND", "FRAMES", "MIN",
            "STATE", "TERM LEFT", "CLEAN", "DROP", "KEPT",
            wide ? "  ASKED PARTS ORDER BREACH" : "");
    for (unsigned i = 0; i < detail->contracts_count; i++) {
        const struct wire_agreement *c = &detail->contracts[i];
        char left[TIME_TEXT], clean[TIME_TEXT], drop[TIME_TEXT];

        fprintf(out, "%8u %-10s %7u %7u %-9s %9s %7s %6s %6u", c->contract,
                terms_text_kind(c->kind), c->frames, c->min, state_text(c->state),
                time_text(c->left_ns, left), grace_text(c->grace_unit, c->t_clean, clean),
                grace_text(c->grace_unit, c->t_drop, drop), c->kept);
        if (wide)
            fprintf(out, " %6u %5u %5u %s", c->recalling, c->parts, c->order,
                    breach_text(c->on_breach));
        fputc('\n', out);
    }
    if (detail->contracts_count == 0)
        fputs("  none\n", out);
}

static void print_recalls(FILE *out, const struct observed_detail *detail)
{
    char left[TIME_TEXT];

    if (detail->recalls_count == 0)
        return;
    fprintf(out, "%-8s %10s %7s %9s\n", "RECALL", "ASKED", "MISSING", "TIME LEFT");
    for (unsigned i = 0; i < detail->recalls_count; i++) {
        const struct wire_debt *recall = &detail->recalls[i];

        fprintf(out, "%8" PRIu64 " %10u %7u %9s%s\n", recall->id, recall->asked, recall->missing,
                time_text(recall->left_ns, left), recall->overdue ? "  overdue" : "");
    }
}

static void print_containers(FILE *out, const struct observed_detail *detail)
{
    unsigned more = detail->containers > detail->holdings_count
                        ? detail->containers - detail->holdings_count
                        : 0;

    fprintf(out, "%-10s %8s %8s %7s %7s %12s\n", "CONTAINER", "SLOTS", "FRAMES", "SOFT", "SHARES",
            "VERSION");
    for (unsigned i = 0; i < detail->holdings_count; i++) {
        const struct wire_holding *held = &detail->holdings[i];

        fprintf(out, "%10u %8u %8u %7u %7u %12" PRIu64 "%s\n", held->container, held->slots,
                held->allocated, held->soft, held->shares, held->version,
                held->locked ? "  locked" : "");
    }
    if (detail->holdings_count == 0)
        fputs("  none\n", out);
    if (more > 0)
        fprintf(out, "  and %u that were made before\n", more);
}

static const char *kind_text(uint8_t kind)
{
    static const char *const names[] = {"precious", "discardable", "remanufacturable", "unknown"};

    ensure(kind <= WIRE_KIND_UNKNOWN);
    return names[kind];
}

/* What the task says of its regions: any numbers. */
static void print_regions(FILE *out, const struct observed_detail *detail)
{
    uint32_t more = detail->regions_in_all > detail->regions_count
                        ? detail->regions_in_all - detail->regions_count
                        : 0;

    fprintf(out, "%-18s %10s %10s  %s\n", "REGION AT", "PAGES", "RESIDENT", "KIND");
    for (unsigned i = 0; i < detail->regions_count; i++) {
        const struct wire_region *region = &detail->regions[i];

        fprintf(out, "%#18" PRIx64 " %10u %10u  %s\n", region->address, region->pages,
                region->resident, kind_text(region->kind));
    }
    if (detail->regions_count == 0)
        fputs("  none that the task tells of\n", out);
    if (more > 0)
        fprintf(out, "  and %u more\n", more);
}

static void print_meanings(FILE *out, const struct view_task *task)
{
    for (size_t i = 0; i < counters_task_status.count; i++) {
        const struct counter *row = &counters_task_status.rows[i];

        fprintf(out, "  %-20s %12" PRIu64 "  %s %s\n", row->name, counters_value(row, &task->now),
                row->unit, row->meaning);
    }
}

static void print_counters(FILE *out, const struct view_task *task, int width)
{
    size_t columns = width >= 2 * COUNTER_WIDTH - 1 ? (size_t)(width + 1) / COUNTER_WIDTH : 1;
    size_t count = counters_task_status.count, lines = (count + columns - 1) / columns;

    for (size_t line = 0; line < lines; line++) {
        for (size_t i = line; i < count; i += lines) {
            const struct counter *row = &counters_task_status.rows[i];
            uint64_t value = counters_value(row, &task->now);

            fprintf(out, "%-19s %9" PRIu64 " %-9.9s%s", row->name, value, row->unit,
                    i + lines < count ? " " : "");
        }
        fputc('\n', out);
    }
}

void detail_print(FILE *out, const struct view *view, const struct view_task *task, int width)
{
    const struct observed_detail *detail = known_of(view, task);

    if (detail != NULL) {
        print_contracts(out, detail, width == 0 || width >= WIDE);
        print_recalls(out, detail);
        print_containers(out, detail);
        print_regions(out, detail);
    }
    if (width > 0)
        print_counters(out, task, width);
    else
        print_meanings(out, task);
}

/* ---- For programs ---- */

static void put_number(json_t *object, const char *name, uint64_t value, bool *failed)
{
    counters_json_put(object, name, json_integer((json_int_t)value), failed);
}

/* A time; null: it has no end. */
static void put_time(json_t *object, const char *name, uint64_t ns, bool *failed)
{
    counters_json_put(object, name, ns == SP_FOREVER ? json_null() : json_integer((json_int_t)ns),
                      failed);
}

static json_t *contract_json(const struct wire_agreement *contract, bool *failed)
{
    json_t *object = json_object();

    put_number(object, "contract", contract->contract, failed);
    counters_json_put(object, "kind", json_string(terms_text_kind(contract->kind)), failed);
    counters_json_put(object, "state", json_string(state_text(contract->state)), failed);
    put_number(object, "frames", contract->frames, failed);
    put_number(object, "min", contract->min, failed);
    put_number(object, "order", contract->order, failed);
    put_number(object, "weight", contract->weight, failed);
    put_number(object, "bid", contract->bid, failed);
    put_time(object, "term_ns", contract->term_ns, failed);
    put_time(object, "left_ns", contract->left_ns, failed);
    counters_json_put(
        object, "grace_unit",
        json_string(contract->grace_unit == SP_GRACE_ALLOCATIONS ? "allocations" : "ns"), failed);
    put_number(object, "clean", contract->t_clean, failed);
    put_number(object, "drop", contract->t_drop, failed);
    counters_json_put(object, "breach", json_string(breach_text(contract->on_breach)), failed);
    put_number(object, "kept", contract->kept, failed);
    put_number(object, "recalling", contract->recalling, failed);
    put_number(object, "parts", contract->parts, failed);
    return object;
}

static json_t *recall_json(const struct wire_debt *recall, bool *failed)
{
    json_t *object = json_object();

    put_number(object, "id", recall->id, failed);
    put_number(object, "asked", recall->asked, failed);
    put_number(object, "missing", recall->missing, failed);
    put_time(object, "left_ns", recall->left_ns, failed);
    counters_json_put(object, "overdue", json_boolean(recall->overdue), failed);
    return object;
}

static json_t *container_json(const struct wire_holding *held, bool *failed)
{
    json_t *object = json_object();

    put_number(object, "container", held->container, failed);
    put_number(object, "slots", held->slots, failed);
    put_number(object, "frames", held->allocated, failed);
    put_number(object, "soft", held->soft, failed);
    put_number(object, "shares", held->shares, failed);
    counters_json_put(object, "locked", json_boolean(held->locked), failed);
    put_number(object, "version", held->version, failed);
    return object;
}

static json_t *region_json(const struct wire_region *region, bool *failed)
{
    json_t *object = json_object();

    put_number(object, "address", region->address, failed);
    put_number(object, "pages", region->pages, failed);
    put_number(object, "resident", region->resident, failed);
    counters_json_put(object, "kind", json_string(kind_text(region->kind)), failed);
    return object;
}

static void append(json_t *list, json_t *element, bool *failed)
{
    if (list == NULL || json_array_append_new(list, element) != 0)
        *failed = true;
}

json_t *detail_json(const struct view *view, const struct view_task *task, bool *failed)
{
    const struct observed_detail *detail = known_of(view, task);
    json_t *object, *contracts, *recalls, *containers, *regions;

    if (detail == NULL)
        return json_null();
    object = json_object();
    contracts = json_array();
    recalls = json_array();
    containers = json_array();
    regions = json_array();
    for (unsigned i = 0; i < detail->contracts_count; i++)
        append(contracts, contract_json(&detail->contracts[i], failed), failed);
    for (unsigned i = 0; i < detail->recalls_count; i++)
        append(recalls, recall_json(&detail->recalls[i], failed), failed);
    for (unsigned i = 0; i < detail->holdings_count; i++)
        append(containers, container_json(&detail->holdings[i], failed), failed);
    for (unsigned i = 0; i < detail->regions_count; i++)
        append(regions, region_json(&detail->regions[i], failed), failed);
    counters_json_put(object, "contracts", contracts, failed);
    counters_json_put(object, "recalls", recalls, failed);
    counters_json_put(object, "containers", containers, failed);
    put_number(object, "containers_in_all", detail->containers, failed);
    counters_json_put(object, "regions", regions, failed);
    put_number(object, "regions_in_all", detail->regions_in_all, failed);
    return object;
}
