/* What everybody has said: for the message of a test that fails. */
#include "testing/fixture.h"

/* Of one server or task, at most. */
#define SAID_MOST 4096u

static void add_log(struct sp_testing_words *words, const char *name, const char *state,
                    const struct launched_log *log)
{
    char text[SAID_MOST];

    parts_log_tail(log, text, sizeof text);
    parts_words_add(words, name, state, text);
}

const char *sp_testing_said(struct sp_testing *fixture)
{
    static const char *const names[] = {"physmem", "swap"};
    struct sp_testing_words *said = &fixture->said;

    said->length = 0;
    for (int i = 0; i < SP_TESTING_SERVERS && fixture->world == NULL; i++)
        if (fixture->servers[i].arguments.count > 0)
            add_log(said, names[i], fixture->servers[i].server.pid == 0 ? " (not running)" : "",
                    &fixture->servers[i].log);
    task_each_log(fixture, said, add_log);
    parts_words_text(said, fixture->heard.text);
    return said->text;
}
