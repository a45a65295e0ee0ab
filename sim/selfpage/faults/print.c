#include "selfpage/faults/print.h"

#include "base/assert.h"
#include "selfpage/faults/advice.h"

static const char *const kinds[] = {"precious", "discardable", "remanufacturable"};

static unsigned long long number(uint64_t value)
{
    return value;
}

static void print_sites(FILE *out, const struct faults_lines *lines, uint32_t most)
{
    fprintf(out, "%10s %10s %10s %10s %10s %7s  %s\n", "faults", "evictions", "to swap", "swap-ins",
            "ahead", "region", "line");
    for (size_t i = 0; i < lines->count && (most == 0 || i < most); i++) {
        const struct faults_line *line = &lines->line[i];
        char name[LINES_NAME_MAX];

        check(line->sum.row < lines->table->rows);
        lines_name(lines, &line->place, line->sum.code, name);
        fprintf(out, "%10llu %10llu %10llu %10llu %10llu %7u  %s\n", number(line->sum.faults),
                number(line->sum.evicted), number(line->sum.stored), number(line->sum.loads),
                number(line->sum.ahead), line->sum.row + 1, name);
    }
    if (most > 0 && lines->count > most)
        fprintf(out, "%zu more lines: --lines 0 shows all\n", lines->count - most);
}

static void print_regions(FILE *out, const struct faults_lines *lines)
{
    fprintf(out, "\n%10s %10s %10s %10s %10s %7s  %s\n", "faults", "evictions", "to swap",
            "swap-ins", "dropped", "region", "pages, kind, and where it was made");
    for (uint32_t i = 0; i < lines->table->rows; i++) {
        const struct fault_row *row = &lines->table->row[i];
        char name[LINES_NAME_MAX];

        lines_name(lines, &lines->made[i], row->code, name);
        fprintf(out, "%10llu %10llu %10llu %10llu %10llu %7u  %llu pages, %s, %s\n",
                number(row->tally.faults), number(row->tally.evicted), number(row->tally.stored),
                number(row->tally.loaded), number(row->tally.dropped), i + 1, number(row->pages),
                row->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[row->kind] : "of no kind",
                name);
    }
    if (lines->table->regions > lines->table->rows)
        fprintf(out, "The last row also stands for the %llu regions that were made after it.\n",
                number(lines->table->regions - lines->table->rows));
}

static void print_advice(FILE *out, const struct faults_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        const struct faults_line *line = &lines->line[i];
        char name[LINES_NAME_MAX];
        uint32_t pages;
        int32_t stride;

        if (line->sum.hint_pages > 0 || !advice_ahead(line, &pages, &stride))
            continue;
        lines_name(lines, &line->place, line->sum.code, name);
        fprintf(
            out,
            "\n%s: %llu of %llu swap-ins came %d page%s after the one before, and few were read "
            "ahead.\n  Have them loaded together: sp_advise with SP_HINT_WILL_NEED, or a file of "
            "--hints.\n",
            name, number(line->sum.strides), number(line->sum.loads), stride,
            stride == 1 ? "" : "s");
    }
    for (uint32_t i = 0; i < lines->table->rows; i++) {
        const struct fault_row *row = &lines->table->row[i];

        if (!advice_discard(row))
            continue;
        fprintf(
            out,
            "\nregion %u: %llu pages were written to swap, and %llu read back.\n  If the program "
            "is done with them, sp_discard spares the writes; if it can lose them, "
            "SP_DISCARDABLE does.\n",
            i + 1, number(row->tally.stored), number(row->tally.loaded));
    }
}

static void print_limits(FILE *out, const struct faults_lines *lines)
{
    uint64_t evicted = 0;

    for (uint32_t i = 0; i < lines->table->rows; i++)
        evicted += lines->table->row[i].tally.evicted;
    if (evicted > lines->evicted)
        fprintf(out, "\n%llu evictions were for recalls, pins and the like: no line caused them.\n",
                number(evicted - lines->evicted));
    if (lines->table->lost > 0)
        fprintf(out, "\n%llu faults are missing: there were more than %u different instructions.\n",
                number(lines->table->lost), FAULT_TABLE_SITES);
    if (!symbols_available())
        fprintf(out,
                "\nThis selfpage was built without libdw, and knows no lines: addr2line does.\n");
    else if (lines->without != NULL)
        fprintf(out, "\nNo lines of %s: %s.\n", lines->without, lines->why);
}

void print_lines(FILE *out, const struct faults_lines *lines, uint32_t most)
{
    const struct fault_table *table = lines->table;

    fprintf(out, "%s: faults by line (pages of %u bytes)\n", table->task, table->page_bytes);
    print_sites(out, lines, most);
    if (lines->count == 0)
        fprintf(out, "none\n");
    print_regions(out, lines);
    print_advice(out, lines);
    print_limits(out, lines);
}
