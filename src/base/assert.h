/* Assertions: what only a bug can break. Input, memory and other processes are never asserted about.
 *
 *   ensure(condition)  is always compiled in. For what is cheap: a comparison or two.
 *   check(condition)   only with -DSELFPAGE_CHECKED; otherwise it costs nothing, and the condition is
 *                      compiled but not evaluated. For what costs more, such as a walk.
 *
 * A condition that does not hold ends the process by SIGABRT, after a line on standard error. Both may
 * stand in code that runs in a signal handler. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/* Say where which condition failed, and abort. */
_Noreturn void assert_failed(const char *file, int line, const char *condition);

#define ensure(condition)                                                                          \
    (__builtin_expect(!(condition), 0) ? assert_failed(__FILE__, __LINE__, #condition) : (void)0)

#ifdef SELFPAGE_CHECKED
#define check(condition) ensure(condition)
#else
#define check(condition) ((void)sizeof((condition) ? 1 : 0))
#endif

#endif
