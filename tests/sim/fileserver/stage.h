/* A real file server with some files, its physmem, and tasks that are its clients. */
#ifndef TESTS_FILESERVER_STAGE_H
#define TESTS_FILESERVER_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/file.h>
#include <selfpage/testing.h>

#define PAGE  ((size_t)SP_PAGE_SIZE)
#define PAGES 40u /* of the file "large", less 100 bytes */

struct stage {
    struct sp_testing *fixture;
    struct sp_testing_task *server;
    bool killed; /* the test has killed the server, ... */
    bool over;   /* ... or physmem, and has seen how the server ended */
    char root[256];
    char socket[256];
};

/* For CMocka: physmem of 1,024 frames, a file server that caches 256 pages, and files. */
int stage_setup(void **state);

/* The same, with this option for the server, or NULL. */
int stage_setup_with(void **state, const char *option);

/* The server ends well, and every frame is back. */
int stage_teardown(void **state);

/* Files below the root. */
void stage_write_file(const struct stage *stage, const char *name, const void *bytes, size_t size);
void stage_write_text(const struct stage *stage, const char *name, const char *text);

/* The byte of the file "large" at a place. */
char stage_byte(size_t offset);

/* A task that runs this function, with 24 guaranteed frames. */
struct sp_testing_task *stage_begin(const struct stage *stage, const char *name,
                                    int (*function)(void *), void *arg);

/* The task ends with 0. */
void stage_expect_success(struct sp_testing_task *task);

/* In a task: the connection to the server. */
struct sp_files *stage_connect(struct sp_task *task);

/* What a shell prints. */
void stage_shell(char *output, size_t room, const char *command);

#endif
