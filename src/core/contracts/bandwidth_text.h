/* The text form of a contract for paging bandwidth: shares=N, rate=PAGES, or rate=PAGES,extra. What they mean says
 * core/swap/bandwidth.h. */
#ifndef CORE_CONTRACTS_BANDWIDTH_TEXT_H
#define CORE_CONTRACTS_BANDWIDTH_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* What the text must be, for messages. */
#define BANDWIDTH_TEXT_FORMS "shares=N, rate=PAGES and rate=PAGES,extra (pages a second)"

struct bandwidth_text {
    uint32_t shares; /* 0: not given, as `rate` */
    uint32_t rate;
    bool extra;
};

/* Whether the text is one of these; *wanted says what, with numbers above 0. */
bool bandwidth_text_parse(const char *text, struct bandwidth_text *wanted);

#endif
