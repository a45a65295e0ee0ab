#include "analysis/windows.h"

#include "base/assert.h"

void windows_init(struct windows *windows)
{
    *windows = (struct windows){.level = WINDOWS_FIRST};
}

static void window_join(struct window *into, const struct window *from)
{
    struct window sum = *from;

    sum.references += into->references;
    sum.writes += into->writes;
    sum.fresh += into->fresh;
    for (unsigned i = 0; i < WINDOWS_LEVELS; i++)
        sum.apart[i] += into->apart[i];
    *into = sum;
}

static void windows_double(struct windows *windows)
{
    check(windows->count == WINDOWS_MOST);
    for (size_t i = 0; i < WINDOWS_MOST / 2; i++) {
        windows->window[i] = windows->window[2 * i];
        window_join(&windows->window[i], &windows->window[2 * i + 1]);
    }
    for (size_t i = WINDOWS_MOST / 2; i < WINDOWS_MOST; i++)
        windows->window[i] = (struct window){.references = 0};
    windows->count = WINDOWS_MOST / 2;
    windows->level++;
}

void windows_add(struct windows *windows, uint64_t before_plus1, bool write)
{
    uint64_t now = windows->references++;
    size_t at = (size_t)(now >> windows->level);
    struct window *window;

    ensure(before_plus1 <= now);
    if (at == WINDOWS_MOST) {
        windows_double(windows);
        at = (size_t)(now >> windows->level);
    }
    window = &windows->window[at];
    windows->count = at + 1;
    window->references++;
    window->writes += write;
    if (before_plus1 == 0)
        window->fresh++;
    else
        window->apart[63 - __builtin_clzll((before_plus1 - 1) ^ now)]++;
}

static uint64_t pages_of(const struct window *window, unsigned level)
{
    uint64_t pages = window->fresh;

    for (unsigned i = level; i < WINDOWS_LEVELS; i++)
        pages += window->apart[i];
    return pages;
}

uint64_t windows_pages(const struct windows *windows, size_t i)
{
    ensure(i < windows->count);
    return pages_of(&windows->window[i], windows->level);
}

double windows_mean(const struct windows *windows, unsigned level)
{
    uint64_t pages = 0, whole = (windows->references >> level) +
                                ((windows->references & ((UINT64_C(1) << level) - 1)) != 0);

    ensure(level < WINDOWS_LEVELS);
    for (size_t i = 0; i < windows->count; i++)
        pages += pages_of(&windows->window[i], level);
    return whole > 0 ? (double)pages / (double)whole : 0;
}
