/* What tasks and servers of a fixture both need. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/fixture.h"

size_t parts_log_tail(const struct launched_log *log, char *buffer, size_t size)
{
    struct stat status;
    ssize_t got = 0;

    if (log->write >= 0 && fstat(log->write, &status) == 0) {
        off_t start = status.st_size - (off_t)(size - 1);

        got = pread(log->write, buffer, size - 1, start > 0 ? start : 0);
    }
    buffer[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

void parts_words_text(struct sp_testing_words *words, const char *text)
{
    size_t length = strlen(text), room = sizeof words->text - 1 - words->length;

    if (length > room)
        length = room;
    memcpy(words->text + words->length, text, length);
    words->length += length;
    words->text[words->length] = '\0';
}

void parts_words_add(struct sp_testing_words *words, const char *name, const char *state,
                     const char *said)
{
    size_t length = strlen(said);

    parts_words_text(words, name);
    parts_words_text(words, state);
    parts_words_text(words, length > 0 ? ":\n" : ": nothing\n");
    parts_words_text(words, said);
    if (length > 0 && said[length - 1] != '\n')
        parts_words_text(words, "\n");
}

void parts_words_note(struct sp_testing_words *heard, const char *name,
                      const struct sp_testing_result *result)
{
    size_t oldest = sizeof heard->text / 4;
    char state[80];

    if (heard->length > 2 * oldest) {
        heard->length -= oldest;
        memmove(heard->text, heard->text + oldest, heard->length + 1);
    }
    snprintf(state, sizeof state, " (exit status %d%s)", result->exit_status,
             result->timed_out ? ", killed since it had not ended in time" : "");
    parts_words_add(heard, name, state, result->output);
}

const char *sp_testing_directory(const struct sp_testing *fixture)
{
    return fixture->world == NULL ? fixture->directory.path : NULL;
}

const char *sp_testing_socket(const struct sp_testing *fixture, enum sp_testing_server server)
{
    if (fixture->servers[server].arguments.count == 0)
        return NULL;
    return server == SP_TESTING_PHYSMEM ? fixture->directory.physmem : fixture->directory.swap;
}
