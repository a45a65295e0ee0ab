/* Clients and file servers that mean ill, also under user ids of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "live.h"
#include "scale.h"
#include "stage.h"
#include "stuck_file.h"
#include "wire_client.h"

/* User ids of nobody else: those that mean ill have them where this runs as root. */
#define CLIENT_UID 64901u
#define SERVER_UID 64902u

#define MS UINT64_C(1000000)

/* ---- An honest client ---- */

static void become(unsigned uid)
{
    if (geteuid() == 0 && !RUNNING_ON_VALGRIND) /* whose files in /tmp would stay */
        CHECK(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
}

static int read_x(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;
    char bytes[16];

    (void)arg;
    CHECK(sp_file_open(files, "x", &info, NULL) == 0);
    CHECK(sp_file_read(files, info.file, 0, bytes, sizeof(bytes), NULL) == 14);
    CHECK(memcmp(bytes, "a\nfoo bar\n\nfoo", 14) == 0);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

/* ---- Hostile clients ---- */

static uint32_t ask(struct wire_client *client, struct wire_message *message,
                    struct wire_message *reply)
{
    assert_int_equal(wire_client_call(client, message, -1, reply), 0);
    return reply->error;
}

static uint32_t ask_read(struct wire_client *client, uint32_t file, uint32_t page, uint32_t slot)
{
    struct wire_message message = {.type = WIRE_FILE_READ}, reply;

    message.file_read.file = file;
    message.file_read.page = page;
    message.file_read.slot = slot;
    return ask(client, &message, &reply);
}

static uint32_t ask_buffer(struct wire_client *client, uint32_t container, uint64_t token)
{
    struct wire_message message = {.type = WIRE_FILE_BUFFER}, reply;

    message.file_buffer.container = container;
    message.file_buffer.token = token;
    return ask(client, &message, &reply);
}

/* A task that speaks to physmem and to the file server in raw messages. */
struct raw {
    struct wire_client physmem, control, files;
    uint32_t container;
    uint32_t server; /* number of the task */
    uint64_t token;  /* of the container, as it was shared last */
};

static void raw_open(const struct stage *stage, struct raw *raw, const char *server)
{
    const char *physmem = sp_testing_socket(stage->fixture, SP_TESTING_PHYSMEM);
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;

    memset(raw, 0, sizeof(*raw));
    assert_int_equal(wire_client_open(&raw->physmem, physmem, WIRE_ROLE_TASK, 0, 0, "raw", NULL),
                     0);
    assert_int_equal(wire_client_open(&raw->control, physmem, WIRE_ROLE_CONTROL, raw->physmem.id,
                                      raw->physmem.key, "raw", NULL),
                     0);
    message.propose.kind = SP_GUARANTEED;
    message.propose.min = message.propose.frames = 32;
    message.propose.term_ns = SP_FOREVER;
    assert_int_equal(ask(&raw->physmem, &message, &reply), 0);
    message = (struct wire_message){.type = WIRE_CONTAINER_CREATE};
    message.container_create.slots = 32;
    assert_int_equal(ask(&raw->physmem, &message, &reply), 0);
    raw->container = reply.container.container;
    assert_int_equal(wire_client_open(&raw->files, server, WIRE_ROLE_TASK, 0, 0, "raw", &reply), 0);
    raw->server = reply.welcome.id;
    message = (struct wire_message){.type = WIRE_FILE_OPEN};
    message.file_open.bytes = 1;
    message.file_open.path_count = 1;
    message.file_open.path[0].value = 'x';
    assert_int_equal(ask(&raw->files, &message, &reply), 0);
    assert_int_equal(reply.file_opened.file, 1);
}

static void raw_close(struct raw *raw)
{
    wire_client_close(&raw->files);
    wire_client_close(&raw->control);
    wire_client_close(&raw->physmem);
}

static void raw_share(struct raw *raw, uint8_t rights, uint64_t lock_ns)
{
    struct wire_message message = {.type = WIRE_SHARE}, reply;

    message.share.container = raw->container;
    message.share.rights = rights;
    message.share.lock_ns = lock_ns;
    assert_int_equal(ask(&raw->physmem, &message, &reply), 0);
    raw->token = reply.shared.token;
}

static uint32_t raw_revoke(struct raw *raw)
{
    struct wire_message message = {.type = WIRE_REVOKE_SHARE}, reply;

    message.revoke_share.container = raw->container;
    return ask(&raw->physmem, &message, &reply);
}

static void test_a_client_that_lies_fails_its_own_reads(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_FILE_OPEN}, reply;
    struct raw raw;

    raw_open(stage, &raw, stage->socket);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), ENOTCONN); /* where to? */
    assert_int_equal(ask_buffer(&raw.files, raw.container, 4711), ENOENT);
    assert_int_equal(ask_buffer(&raw.files, 0, 4711), ENOENT);
    assert_int_equal(ask_buffer(&raw.files, 0, 0), EPERM);
    raw_share(&raw, WIRE_RIGHT_READ, 1000000000); /* it may not be written */
    assert_int_equal(ask_buffer(&raw.files, raw.container, raw.token), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), EPERM);
    assert_int_equal(raw_revoke(&raw), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), ENOENT);
    raw_share(&raw, WIRE_RIGHT_WRITE, 0); /* it may not be locked */
    assert_int_equal(ask_buffer(&raw.files, raw.container, raw.token), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), EPERM);
    assert_int_equal(raw_revoke(&raw), 0);
    raw_share(&raw, WIRE_RIGHT_WRITE, 1000000000);
    assert_int_equal(ask_buffer(&raw.files, raw.container, raw.token), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), ENOMEM); /* it has no frames */
    assert_int_equal(ask_read(&raw.files, 1, 1, 0), EINVAL);
    assert_int_equal(ask_read(&raw.files, 1, 0, 17), EINVAL);
    assert_int_equal(ask_read(&raw.files, 2, 0, 0), EBADF);
    assert_int_equal(ask_read(&raw.files, UINT32_MAX, 0, 0), EBADF);
    message.file_open.bytes = 9; /* more than the words hold */
    message.file_open.path_count = 1;
    assert_int_equal(ask(&raw.files, &message, &reply), EINVAL);
    message = (struct wire_message){.type = WIRE_ALLOCATE}; /* not for a file server */
    assert_int_equal(wire_client_send(&raw.files, &message, -1), 0);
    assert_int_equal(wire_client_expect_end(&raw.files), 0);
    raw_close(&raw);
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
}

/* Clients that vanish, with the server in the middle of what they asked for. */
static void test_clients_that_vanish_take_nothing_with_them(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_FILE_READ}, allocate = {.type = WIRE_ALLOCATE};
    struct wire_message reply;
    struct raw raw;

    for (unsigned round = 0; round < 20; round++) {
        raw_open(stage, &raw, stage->socket);
        allocate.allocate.container = raw.container;
        allocate.allocate.count = 32;
        assert_int_equal(ask(&raw.physmem, &allocate, &reply), 0);
        raw_share(&raw, WIRE_RIGHT_WRITE, 1000000000);
        assert_int_equal(ask_buffer(&raw.files, raw.container, raw.token), 0);
        message.file_read.file = 1;
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(wire_client_send(&raw.files, &message, -1), 0);
        if (round % 2)
            wire_client_close(&raw.physmem);
        raw_close(&raw);
    }
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
}

/* Writes that cannot be, and pages that are not there. */
static void test_a_client_that_lies_writes_nothing(void **state)
{
    struct stage *stage = *state;
    struct wire_message open = {.type = WIRE_FILE_OPEN_AS}, write = {.type = WIRE_FILE_WRITE};
    struct wire_message allocate = {.type = WIRE_ALLOCATE}, fill = {.type = WIRE_FILE_FILL}, reply;
    struct raw raw;

    raw_open(stage, &raw, stage->socket);
    open.file_open_as.bytes = 1;
    open.file_open_as.path_count = 1;
    open.file_open_as.path[0].value = 'x';
    open.file_open_as.flags = WIRE_FILE_WRITING;
    assert_int_equal(ask(&raw.files, &open, &reply), 0);
    write.file_write.file = reply.file_opened.file;
    write.file_write.bytes = 5;
    assert_int_equal(ask(&raw.files, &write, &reply), ENOTCONN);
    raw_share(&raw, WIRE_RIGHT_WRITE, 1000 * MS); /* it may not be read */
    assert_int_equal(ask_buffer(&raw.files, raw.container, raw.token), 0);
    assert_int_equal(ask(&raw.files, &write, &reply), EPERM);
    assert_int_equal(raw_revoke(&raw), 0);
    raw_share(&raw, WIRE_RIGHT_BOTH, 1000 * MS);
    assert_int_equal(ask_buffer(&raw.files, raw.container, raw.token), 0);
    assert_int_equal(ask(&raw.files, &write, &reply), ENOENT); /* there is nothing */
    allocate.allocate.container = raw.container;
    allocate.allocate.count = 32;
    assert_int_equal(ask(&raw.physmem, &allocate, &reply), 0);
    write.file_write.first = 65535;
    assert_int_equal(ask(&raw.files, &write, &reply), EINVAL);
    write.file_write.first = UINT32_MAX;
    assert_int_equal(ask(&raw.files, &write, &reply), EINVAL);
    write.file_write.first = 0;
    write.file_write.bytes = 0;
    assert_int_equal(ask(&raw.files, &write, &reply), EINVAL);
    write.file_write.bytes = 5;
    write.file_write.file = 1; /* that is open for reading */
    assert_int_equal(ask(&raw.files, &write, &reply), EBADF);
    fill.file_fill.file = 1;
    fill.file_fill.count = 2; /* of one page */
    assert_int_equal(ask(&raw.files, &fill, &reply), ENXIO);
    fill.file_fill.count = 17;
    assert_int_equal(ask(&raw.files, &fill, &reply), EINVAL);
    fill.file_fill.count = 1;
    fill.file_fill.slot = 32;
    assert_int_equal(ask(&raw.files, &fill, &reply), EINVAL);
    fill.file_fill.slot = UINT32_MAX;
    assert_int_equal(ask(&raw.files, &fill, &reply), EINVAL);
    fill.file_fill.slot = 31;
    assert_int_equal(ask(&raw.files, &fill, &reply), 0);
    raw_close(&raw);
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
}

/* A client of another user that asks and asks, touches its container all the time, and never hears
 * an answer. */
static int flood(void *arg)
{
    const struct stage *stage = arg;
    struct wire_message message = {.type = WIRE_FILE_READ}, touch = {.type = WIRE_DEALLOCATE};
    struct wire_message allocate = {.type = WIRE_ALLOCATE}, reply;
    struct raw raw;

    become(CLIENT_UID);
    raw_open(stage, &raw, stage->socket);
    allocate.allocate.container = touch.deallocate.container = raw.container;
    allocate.allocate.count = 16;
    allocate.allocate.flags = WIRE_ALLOCATE_SQUASH;
    touch.deallocate.ranges_count = 1;
    touch.deallocate.ranges[0] = (struct wire_range){3, 2};
    raw_share(&raw, WIRE_RIGHT_WRITE, 1000 * MS);
    CHECK(ask_buffer(&raw.files, raw.container, raw.token) == 0);
    message.file_read.file = 1;
    for (unsigned i = 0; i < 400; i++) {
        message.seq = i + 100;
        if (wire_client_send(&raw.files, &message, -1) != 0)
            break; /* the server has dropped this client, which takes nothing */
        CHECK(wire_client_call(&raw.physmem, i % 2 ? &touch : &allocate, -1, &reply) == 0);
    }
    raw_close(&raw);
    return 0;
}

/* Others may come here, and to the sockets. */
static void open_doors(const struct stage *stage)
{
    assert_int_equal(chmod(sp_testing_directory(stage->fixture), 0711), 0);
    assert_int_equal(chmod(sp_testing_socket(stage->fixture, SP_TESTING_PHYSMEM), 0666), 0);
    assert_int_equal(chmod(stage->socket, 0666), 0);
}

static void test_a_client_that_touches_its_container_harms_only_itself(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_task *flooder[3];

    open_doors(stage);
    for (unsigned i = 0; i < 3; i++)
        flooder[i] = stage_begin(stage, "flood", flood, stage);
    for (unsigned i = 0; i < 5; i++)
        stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
    for (unsigned i = 0; i < 3; i++)
        stage_expect_success(flooder[i]);
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
}

/* ---- At random ---- */

#define ATTACKERS 3u

struct everything {
    struct stage *stage;
    unsigned seed;
    struct random_source random;
    struct raw raw;
};

static uint32_t up_to(struct everything *all, uint32_t bound)
{
    return random_below(&all->random, bound);
}

/* A file that it has open, or hardly ever another one. */
static uint32_t some_file(struct everything *all)
{
    return up_to(all, 8) > 0 ? 1 + up_to(all, 3) : up_to(all, 80);
}

/* A number that means something, or one that means nothing. */
static uint32_t some_number(struct everything *all, uint32_t bound)
{
    return up_to(all, 12) > 0 ? up_to(all, bound) : (uint32_t)random_bits(&all->random);
}

static uint32_t some_container(struct everything *all)
{
    return up_to(all, 6) > 0 ? all->raw.container : some_number(all, 10);
}

static struct wire_range some_slots(struct everything *all)
{
    uint32_t start = up_to(all, 32);

    return (struct wire_range){start, 1 + up_to(all, 32 - start)};
}

static void put_path(const char *path, struct wire_number *words, uint16_t *countp,
                     uint32_t *bytesp)
{
    *bytesp = (uint32_t)strlen(path);
    *countp = (uint16_t)((strlen(path) + 3) / 4);
    for (size_t i = 0; i < strlen(path); i++)
        words[i / 4].value |= (uint32_t)(unsigned char)path[i] << i % 4 * 8;
}

/* Three files, and a container that the server may fill. */
static void begin_everything(struct everything *all)
{
    struct wire_message open = {.type = WIRE_FILE_OPEN}, own = {.type = WIRE_FILE_OPEN_AS}, reply;
    struct wire_message allocate = {.type = WIRE_ALLOCATE};
    char name[16];

    put_path("large", open.file_open.path, &open.file_open.path_count, &open.file_open.bytes);
    CHECK(ask(&all->raw.files, &open, &reply) == 0);
    snprintf(name, sizeof(name), "own%u", all->seed);
    own.file_open_as.flags = WIRE_FILE_WRITING | WIRE_FILE_CREATE;
    put_path(name, own.file_open_as.path, &own.file_open_as.path_count, &own.file_open_as.bytes);
    CHECK(ask(&all->raw.files, &own, &reply) == 0);
    allocate.allocate.container = all->raw.container;
    allocate.allocate.count = 32;
    CHECK(ask(&all->raw.physmem, &allocate, &reply) == 0);
    raw_share(&all->raw, WIRE_RIGHT_BOTH, 1000 * MS);
    CHECK(ask_buffer(&all->raw.files, all->raw.container, all->raw.token) == 0);
}

/* What it may ask the file server for: any file for reading, its own one for writing. */
static void some_file_request(struct everything *all, struct wire_message *message)
{
    static const char *const paths[] = {"large",      "x",     "d/late", "d",  "",
                                        "out/passwd", "../..", "absent", "d/e"};
    char own[16];

    switch (up_to(all, 12)) {
    case 0:
        message->type = WIRE_FILE_OPEN;
        put_path(paths[up_to(all, 9)], message->file_open.path, &message->file_open.path_count,
                 &message->file_open.bytes);
        break;
    case 1:
        snprintf(own, sizeof(own), "own%u", all->seed);
        message->type = WIRE_FILE_OPEN_AS;
        message->file_open_as.flags = (uint8_t)up_to(all, WIRE_FILE_OPEN_FLAGS);
        put_path(own, message->file_open_as.path, &message->file_open_as.path_count,
                 &message->file_open_as.bytes);
        break;
    case 2:
        message->type = WIRE_FILE_CLOSE;
        message->file_close.file = 4 + up_to(all, 60);
        break;
    case 3:
        message->type = WIRE_FILE_BUFFER;
        message->file_buffer.container = some_container(all);
        message->file_buffer.token = up_to(all, 6) ? 0 : random_bits(&all->random);
        break;
    case 4:
        message->type = WIRE_FILE_SYNC;
        message->file_sync.file = some_file(all);
        break;
    case 5:
        message->type = WIRE_FILE_SEEK_HOLE;
        message->file_seek_hole.file = some_file(all);
        message->file_seek_hole.offset = random_bits(&all->random) >> up_to(all, 64);
        break;
    case 6:
    case 7:
        message->type = WIRE_FILE_FILL;
        message->file_fill.file = some_file(all);
        message->file_fill.page = some_number(all, 48);
        message->file_fill.slot = some_number(all, 33);
        message->file_fill.count = some_number(all, 18);
        break;
    case 8:
    case 9:
        message->type = WIRE_FILE_WRITE;
        message->file_write.file = some_file(all);
        message->file_write.page = 16 * some_number(all, 3);
        message->file_write.slot = some_number(all, 18);
        message->file_write.first = some_number(all, 65537);
        message->file_write.bytes = some_number(all, 65537);
        break;
    default:
        message->type = WIRE_FILE_READ;
        message->file_read.file = some_file(all);
        message->file_read.page = 16 * some_number(all, 4);
        message->file_read.slot = some_number(all, 18);
    }
}

/* What it does with its container meanwhile. */
static void some_memory_request(struct everything *all, struct wire_message *message)
{
    switch (up_to(all, 8)) {
    case 0:
        message->type = WIRE_SHARE;
        message->share.container = all->raw.container;
        message->share.task = some_number(all, 4);
        message->share.rights = (uint8_t)up_to(all, 4);
        message->share.lock_ns = random_bits(&all->random) >> (34 + up_to(all, 30));
        if (up_to(all, 4) > 0) {
            message->share.task = all->raw.server;
            message->share.rights = WIRE_RIGHT_BOTH;
        }
        break;
    case 1:
        message->type = up_to(all, 2) ? WIRE_RELEASE : WIRE_DEALLOCATE;
        message->deallocate.container = some_container(all);
        message->deallocate.ranges_count = 1;
        message->deallocate.ranges[0] = some_slots(all);
        break;
    case 2:
        message->type = WIRE_MAP;
        message->map.container = some_container(all);
        message->map.start = some_slots(all).start;
        message->map.count = 1;
        message->map.rights = (uint8_t)(1 + up_to(all, 7));
        break;
    case 3:
        message->type = WIRE_COPY;
        message->copy.from = message->copy.to = some_container(all);
        message->copy.pieces_count = 1;
        message->copy.pieces[0] =
            (struct wire_piece){up_to(all, 16), up_to(all, 16), 1 + up_to(all, 16)};
        break;
    case 4:
        message->type = WIRE_UNMAP_OWN;
        message->unmap_own.container = some_container(all);
        message->unmap_own.ranges_count = 1;
        message->unmap_own.ranges[0] = some_slots(all);
        break;
    case 5:
        message->type = WIRE_ASK_VERSION;
        message->ask_version.container = all->raw.container;
        if (up_to(all, 8) == 0) {
            message->type = WIRE_REVOKE_SHARE;
            message->revoke_share.container = all->raw.container;
        }
        break;
    default:
        message->type = WIRE_ALLOCATE;
        message->allocate.container = all->raw.container;
        message->allocate.start = up_to(all, 2) ? 0 : some_slots(all).start;
        message->allocate.count = 32 - message->allocate.start;
        message->allocate.flags = WIRE_ALLOCATE_PARTIAL | WIRE_ALLOCATE_SQUASH;
    }
}

/* A client of another user that sends requests of all kinds to the server and to physmem, without waiting for all
 * answers, and disappears in the middle of something. */
static int do_everything(void *arg)
{
    struct everything *all = arg;
    struct wire_message message, reply;

    become(CLIENT_UID);
    all->random = random_seeded(all->seed);
    raw_open(all->stage, &all->raw, all->stage->socket);
    begin_everything(all);
    for (unsigned i = 0; i < scaled(400); i++) {
        bool file = up_to(all, 2);
        struct wire_client *client = file ? &all->raw.files : &all->raw.physmem;

        memset(&message, 0, sizeof(message));
        if (file)
            some_file_request(all, &message);
        else
            some_memory_request(all, &message);
        message.seq = 1000 + i;
        if (wire_client_send(client, &message, -1) != 0)
            return 0; /* somebody has had enough of it */
        reply.seq = 0;
        while (up_to(all, 3) > 0 && wire_client_poll(client, &reply, NULL) == 0)
            continue;
        if (up_to(all, 20) == 0) /* so that not all requests wait for the ones before */
            while (reply.seq != message.seq && wire_client_receive(client, &reply, NULL) == 0)
                continue;
    }
    return 0;
}

/* Read the large file again and again; not a byte may differ. */
static int read_large(void *arg)
{
    static char bytes[PAGES * PAGE];
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;

    CHECK(sp_file_open(files, "large", &info, NULL) == 0);
    for (unsigned round = 0; round < *(const unsigned *)arg; round++) {
        memset(bytes, 0, sizeof(bytes));
        CHECK(sp_file_read(files, info.file, 0, bytes, sizeof(bytes), NULL) ==
              (int64_t)sizeof(bytes) - 100);
        for (size_t i = 0; i < sizeof(bytes); i++)
            CHECK(bytes[i] == (i < sizeof(bytes) - 100 ? stage_byte(i) : '\0'));
    }
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_random_requests_of_clients_harm_nobody(void **state)
{
    struct stage *stage = *state;
    unsigned lives = scale_is_slow() ? 3 : 9, rounds = scaled(20);
    const char *more = getenv("SELFPAGE_FILE_LIVES");
    struct sp_testing_task *attacker[ATTACKERS];

    if (more != NULL)
        lives = (unsigned)atoi(more);
    open_doors(stage);
    for (unsigned seed = 0; seed < lives; seed += ATTACKERS) {
        struct everything all[ATTACKERS];
        struct sp_testing_task *reader;

        for (unsigned i = 0; i < ATTACKERS; i++) {
            all[i] = (struct everything){.stage = stage, .seed = (unsigned)scale_seed(seed + i)};
            attacker[i] = stage_begin(stage, "everything", do_everything, &all[i]);
        }
        reader = stage_begin(stage, "reader", read_large, &rounds);
        for (unsigned i = 0; i < ATTACKERS; i++)
            stage_expect_success(attacker[i]);
        stage_expect_success(reader);
    }
}

/* ---- Files that never come ---- */

#define STUCK 4u /* clients; a user whose errands block has two threads */

/* The server is started where a file system of the test's own can be mounted. */
static int setup_stuck(void **state)
{
    if (geteuid() == 0)
        (void)stuck_file_prepare();
    return stage_setup(state);
}

static void open_stuck(struct raw *raw, const char *path)
{
    struct wire_message message = {.type = WIRE_FILE_OPEN}, reply;

    message.file_open.bytes = (uint32_t)strlen(path);
    message.file_open.path_count = (uint16_t)((strlen(path) + 3) / 4);
    for (size_t i = 0; i < strlen(path); i++)
        message.file_open.path[i / 4].value |= (uint32_t)(unsigned char)path[i] << i % 4 * 8;
    assert_int_equal(ask(&raw->files, &message, &reply), 0);
    assert_int_equal(reply.file_opened.file, 2);
}

static void test_a_file_that_never_comes_keeps_whoever_reads_it_and_nobody_else(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_FILE_READ, .seq = 77}, reply;
    struct sp_testing_physmem status;
    struct stuck_file stuck;
    struct raw raw[STUCK];
    int code;

    if (getenv("SELFPAGE_EMULATED") != NULL) {
        print_message("the emulator cannot start tasks beside the thread that serves the file\n");
        skip();
    }
    code = geteuid() == 0 ? stuck_file_open(&stuck, stage->root) : -EPERM;
    if (code != 0) {
        print_message("no FUSE file system can be mounted here: %s\n", strerror(-code));
        skip();
    }
    for (unsigned i = 0; i < STUCK; i++) {
        raw_open(stage, &raw[i], stage->socket);
        raw_share(&raw[i], WIRE_RIGHT_BOTH, 1000 * MS);
        assert_int_equal(ask_buffer(&raw[i].files, raw[i].container, raw[i].token), 0);
        open_stuck(&raw[i],
                   "stuck/file"); /* while nobody reads it: later it would not be opened, either */
    }
    message.file_read.file = 2;
    for (unsigned i = 0; i < STUCK; i++)
        assert_int_equal(wire_client_send(&raw[i].files, &message, -1), 0);
    while (atomic_load(&stuck.reads) == 0)
        assert_int_equal(sp_testing_physmem_status(stage->fixture, &status, NULL), 0);
    for (unsigned i = 0; i < 5; i++)
        stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
    for (unsigned i = 0; i < STUCK; i++)
        assert_int_not_equal(wire_client_poll(&raw[i].files, &reply, NULL), 0);
    /* One goes, with what it waits for; the others hear that nothing came. */
    raw_close(&raw[0]);
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
    stuck_file_close(&stuck);
    for (unsigned i = 1; i < STUCK; i++) {
        assert_int_equal(wire_client_receive(&raw[i].files, &reply, NULL), 0);
        assert_int_equal(reply.seq, 77);
        assert_int_not_equal(reply.error, 0);
        raw_close(&raw[i]);
    }
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
}

/* ---- A user that opens and opens ---- */

#define FEW     4096 /* descriptors that the server may have: so clients may have 1,024 files open */
#define CLIENTS 16u

static int setup_few(void **state)
{
    const struct rlimit few = {FEW, FEW};

    if (geteuid() == 0 && !RUNNING_ON_VALGRIND && setrlimit(RLIMIT_NOFILE, &few) != 0)
        return -1;
    return stage_setup(state);
}

/* Whether a process of another user may open a file. */
static bool another_may_open(const struct stage *stage, struct wire_message *message)
{
    struct wire_message reply;
    struct wire_client client;
    pid_t process = fork();
    int status = -1;

    assert_true(process >= 0);
    if (process == 0) {
        become(CLIENT_UID);
        _exit(wire_client_open(&client, stage->socket, WIRE_ROLE_TASK, 0, 0, "other", NULL) != 0 ||
              wire_client_call(&client, message, -1, &reply) != 0 || reply.error != 0);
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_a_user_that_opens_all_it_can_leaves_files_for_others(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_FILE_OPEN}, reply;
    struct wire_client client[CLIENTS];
    unsigned opened = 0;
    uint32_t error = 0;

    if (geteuid() != 0 || RUNNING_ON_VALGRIND) {
        print_message("only root can be another user\n");
        skip();
    }
    open_doors(stage);
    message.file_open.bytes = 1;
    message.file_open.path_count = 1;
    message.file_open.path[0].value = 'x';
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(
            wire_client_open(&client[i], stage->socket, WIRE_ROLE_TASK, 0, 0, "hog", NULL), 0);
        for (unsigned j = 0; j < 64 && error == 0; j++) {
            error = ask(&client[i], &message, &reply);
            opened += error == 0;
        }
    }
    assert_int_equal(error, EMFILE);
    assert_in_range(opened, 700, 1023);
    assert_true(another_may_open(stage, &message));
    for (unsigned i = 0; i < CLIENTS; i++)
        wire_client_close(&client[i]);
}

/* ---- Containers of others ---- */

/* What a client shares only it can give to the server: another client does not know the token, and what is shared with the
 * server by its number no client may name. */
static void test_a_client_cannot_name_what_another_one_shares(void **state)
{
    struct stage *stage = *state;
    struct wire_message share = {.type = WIRE_SHARE}, reply;
    struct raw owner, thief;

    raw_open(stage, &owner, stage->socket);
    raw_open(stage, &thief, stage->socket);
    raw_share(&owner, WIRE_RIGHT_BOTH, 1000 * MS);
    assert_int_equal(ask_buffer(&thief.files, owner.container, owner.token ^ 1), ENOENT);
    assert_int_equal(ask_buffer(&thief.files, owner.container, 0), EPERM);
    assert_int_equal(ask_buffer(&owner.files, owner.container, owner.token), 0);
    assert_int_equal(ask_buffer(&thief.files, owner.container, owner.token), EALREADY);
    assert_int_equal(raw_revoke(&owner), 0);
    share.share.container = owner.container;
    share.share.task = owner.server;
    share.share.rights = WIRE_RIGHT_BOTH;
    assert_int_equal(ask(&owner.physmem, &share, &reply), 0);
    assert_int_equal(ask_buffer(&thief.files, owner.container, 0), EPERM);
    assert_int_equal(ask_buffer(&thief.files, 0, 0), EPERM);
    assert_int_equal(ask_read(&thief.files, 1, 0, 0), ENOTCONN);
    raw_close(&thief);
    raw_close(&owner);
}

/* A client's container goes, and after so many others another client's has its number. */
static void test_a_container_is_not_taken_for_one_that_had_its_number(void **state)
{
    struct stage *stage = *state;
    struct wire_message create = {.type = WIRE_CONTAINER_CREATE}, reply;
    struct wire_message destroy = {.type = WIRE_CONTAINER_DESTROY};
    struct wire_message allocate = {.type = WIRE_ALLOCATE};
    struct raw first, second;
    uint32_t wanted;

    if (scale_is_slow()) {
        print_message("8,192 requests take too long here\n");
        skip();
    }
    raw_open(stage, &first, stage->socket);
    raw_open(stage, &second, stage->socket);
    raw_share(&first, WIRE_RIGHT_BOTH, 1000 * MS);
    assert_int_equal(ask_buffer(&first.files, first.container, first.token), 0);
    /* So often that numbers begin again. */
    wanted = destroy.container_destroy.container = first.container;
    assert_int_equal(ask(&first.physmem, &destroy, &reply), 0);
    create.container_create.slots = 32;
    for (second.container = 0; second.container != wanted;) {
        if (second.container != 0)
            assert_int_equal(ask(&second.physmem, &destroy, &reply), 0);
        assert_int_equal(ask(&second.physmem, &create, &reply), 0);
        destroy.container_destroy.container = second.container = reply.container.container;
    }
    allocate.allocate.container = wanted;
    allocate.allocate.count = 32;
    assert_int_equal(ask(&second.physmem, &allocate, &reply), 0);
    raw_share(&second, WIRE_RIGHT_BOTH, 1000 * MS);
    assert_int_equal(ask_buffer(&second.files, wanted, second.token), 0);
    assert_int_equal(ask_read(&first.files, 1, 0, 0), ENOENT);
    assert_int_equal(ask_read(&second.files, 1, 0, 0), 0);
    assert_int_equal(ask_buffer(&first.files, 0, 0), EPERM); /* which gives up what it had */
    assert_int_equal(ask_read(&second.files, 1, 0, 0), 0);
    raw_close(&first);
    assert_int_equal(ask_read(&second.files, 1, 0, 0), 0);
    raw_close(&second);
}

/* ---- Hostile servers ---- */

/* What a server does with the first read, instead of serving it. */
enum ill {
    ILL_LOCKS,    /* locks the container, and says nothing */
    ILL_TOO_MUCH, /* tells of more bytes than there can be */
    ILL_OTHER,    /* answers with something else */
    ILL_GARBAGE,  /* sends what is no message */
    ILL_LEAVES,   /* closes the connection */
    ILL_EMPTY,    /* says that 64 KiB came, and has copied nothing */
    ILL_KEEPS,    /* locks the container, says that 64 KiB came, and keeps it */
    ILLS,
};

struct imposter {
    const struct stage *stage;
    char socket[256];
    enum ill ill;
    int listener;
};

static void send_reply(int fd, const struct wire_message *request, struct wire_message *reply)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size;

    reply->seq = request->seq;
    size = wire_encode(reply, bytes, sizeof(bytes));
    CHECK(size > 0 && send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
}

/* The next request of the client; false: it has gone. */
static bool next_request(int fd, struct wire_message *request)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t have = 0, used;

    while (have < sizeof(bytes) && recv(fd, bytes + have, 1, 0) == 1) {
        have++;
        if (wire_decode(bytes, have, request, &used) == WIRE_OK)
            return true;
    }
    return false;
}

static void do_ill(const struct imposter *imposter, int fd, const struct wire_message *request)
{
    struct wire_message reply = {.type = WIRE_FILE_DATA};

    switch (imposter->ill) {
    case ILL_TOO_MUCH:
        reply.file_data.bytes = UINT32_MAX;
        break;
    case ILL_OTHER:
        reply.type = WIRE_FILE_OPENED;
        break;
    case ILL_GARBAGE:
        CHECK(send(fd, "this is no message at all", 25, MSG_NOSIGNAL) == 25);
        return;
    case ILL_LEAVES:
        CHECK(shutdown(fd, SHUT_RDWR) == 0);
        return;
    default:
        reply.file_data.bytes = 65536;
    }
    send_reply(fd, request, &reply);
}

/* A file server of another user, for one client. */
static int impose(void *arg)
{
    const struct imposter *imposter = arg;
    const char *path = sp_testing_socket(imposter->stage->fixture, SP_TESTING_PHYSMEM);
    struct wire_message request, lock = {.type = WIRE_LOCK}, adopt = {.type = WIRE_ADOPT}, reply;
    struct wire_client physmem;
    int fd;

    become(SERVER_UID);
    CHECK(wire_client_open(&physmem, path, WIRE_ROLE_TASK, 0, 0, "ill", NULL) == 0);
    fd = accept(imposter->listener, NULL, NULL);
    CHECK(fd >= 0);
    while (next_request(fd, &request)) {
        reply = (struct wire_message){.type = WIRE_DONE};
        if (request.type == WIRE_HELLO) {
            reply.type = WIRE_WELCOME;
            reply.welcome.version = WIRE_VERSION;
            reply.welcome.page_size = SP_PAGE_SIZE;
            reply.welcome.id = physmem.id;
        } else if (request.type == WIRE_FILE_OPEN) {
            reply.type = WIRE_FILE_OPENED;
            reply.file_opened.file = 1;
            reply.file_opened.size = 65536;
        } else if (request.type == WIRE_FILE_BUFFER) {
            adopt.adopt.container = request.file_buffer.container;
            adopt.adopt.token = request.file_buffer.token;
            CHECK(wire_client_call(&physmem, &adopt, -1, &reply) == 0 && reply.error == 0);
            reply = (struct wire_message){.type = WIRE_DONE};
        } else if (request.type == WIRE_FILE_READ && imposter->ill == ILL_LOCKS) {
            lock.lock.container = adopt.adopt.container;
            lock.lock.lock_ns = 1000000 * MS; /* it gets what the owner permits */
            CHECK(wire_client_call(&physmem, &lock, -1, &reply) == 0 && reply.error == 0);
            continue; /* and hangs */
        } else if ((request.type == WIRE_FILE_READ || request.type == WIRE_FILE_FILL) &&
                   imposter->ill == ILL_KEEPS) {
            lock.lock.container = adopt.adopt.container;
            lock.lock.lock_ns = 1000000 * MS;
            CHECK(wire_client_call(&physmem, &lock, -1, &reply) == 0 && reply.error == 0);
            do_ill(imposter, fd, &request);
            continue;
        } else if (request.type == WIRE_FILE_READ || request.type == WIRE_FILE_FILL) {
            do_ill(imposter, fd, &request);
            continue;
        }
        send_reply(fd, &request, &reply);
    }
    close(fd);
    wire_client_close(&physmem);
    return 0;
}

static struct sp_testing_task *begin_imposter(const struct stage *stage, enum ill ill,
                                              struct imposter *imposter)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sp_testing_task *task;

    *imposter = (struct imposter){.stage = stage, .ill = ill};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/ill%d",
             sp_testing_directory(stage->fixture), (int)ill);
    snprintf(imposter->socket, sizeof(imposter->socket), "%s", address.sun_path);
    imposter->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(imposter->listener >= 0);
    assert_int_equal(bind(imposter->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(imposter->listener, 4), 0);
    task = stage_begin(stage, "ill", impose, imposter);
    close(imposter->listener);
    return task;
}

/* The client of a server that has locked its container for ever gets it back when the time is over
 * that it permitted; nobody else waits. */
static void test_a_server_that_hangs_loses_the_container(void **state)
{
    struct stage *stage = *state;
    struct wire_message read = {.type = WIRE_FILE_READ}, allocate = {.type = WIRE_ALLOCATE}, reply;
    struct wire_message ask_version = {.type = WIRE_ASK_VERSION};
    struct sp_testing_physmem status;
    struct imposter imposter;
    struct sp_testing_task *server;
    struct raw raw;

    open_doors(stage);
    server = begin_imposter(stage, ILL_LOCKS, &imposter);
    raw_open(stage, &raw, imposter.socket);
    raw_share(&raw, WIRE_RIGHT_WRITE, 300 * MS);
    assert_int_equal(ask_buffer(&raw.files, raw.container, raw.token), 0);
    read.file_read.file = 1;
    read.seq = 99;
    assert_int_equal(wire_client_send(&raw.files, &read, -1), 0);
    ask_version.ask_version.container = raw.container;
    do
        assert_int_equal(ask(&raw.physmem, &ask_version, &reply), 0);
    while (reply.version_is.locker == 0 && reply.version_is.version < 2);
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
    allocate.allocate.container = raw.container;
    allocate.allocate.count = 4;
    while (ask(&raw.physmem, &allocate, &reply) != 0)
        assert_int_equal(reply.error, EBUSY); /* locked: but not for ever */
    assert_int_equal(sp_testing_physmem_status(stage->fixture, &status, NULL), 0);
    assert_int_equal(status.locks_expired, 1);
    assert_int_equal(raw_revoke(&raw), 0);
    raw_close(&raw);
    stage_expect_success(server);
}

struct lied {
    const char *socket;
    int error;
};

static int read_from_imposter(void *arg)
{
    const struct lied *lied = arg;
    struct sp_task *task = attach_or_exit(NULL);
    static char bytes[65536];
    struct sp_files *files;
    struct sp_file_info info;
    struct sp_error error;
    int64_t result;

    CHECK(sp_files_connect(task, lied->socket, &files, &error) == 0);
    CHECK(sp_file_open(files, "x", &info, &error) == 0);
    memset(bytes, 'x', sizeof(bytes));
    result = sp_file_read(files, info.file, 0, bytes, sizeof(bytes), &error);
    if (result != lied->error) {
        fprintf(stderr, "%lld\n", (long long)result);
        return 1;
    }
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_server_that_lies_fails_the_read_and_nothing_else(void **state)
{
    static const int errors[ILLS] = {
        [ILL_TOO_MUCH] = -EPROTO, [ILL_OTHER] = -EPROTO,
        [ILL_GARBAGE] = -EPROTO,  [ILL_LEAVES] = -EPIPE,
        [ILL_KEEPS] = -EBUSY,     [ILL_EMPTY] = 65536, /* it has only its own memory to look at */
    };
    const struct stage *stage = *state;

    open_doors(stage);
    for (enum ill ill = ILL_TOO_MUCH; ill < ILLS; ill++) {
        struct imposter imposter;
        struct sp_testing_task *server = begin_imposter(stage, ill, &imposter);
        struct lied lied = {imposter.socket, errors[ill]};

        stage_expect_success(stage_begin(stage, "reader", read_from_imposter, &lied));
        stage_expect_success(server);
    }
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
}

/* ---- Regions on the files of such servers ---- */

static sigjmp_buf touched;

static void on_fault(int number)
{
    siglongjmp(touched, number);
}

/* Touch a page of a region that an imposter fills: it is zeros, or the program's own handler is called. */
static int touch_region_of_imposter(void *arg)
{
    const struct lied *lied = arg;
    const struct sp_file_region_options options = {.server = lied->socket, .path = "x"};
    struct sp_task *task;
    struct sp_file_region *region;
    volatile unsigned char *page;
    struct sp_error error;
    void *base;
    int number;

    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
    task = attach_or_exit(NULL);
    CHECK(sp_file_region_create(task, &options, &region, &base, &error) == 0);
    page = base;
    number = sigsetjmp(touched, 1);
    if (number == 0 && lied->error == 0)
        for (size_t i = 0; i < 16 * SP_PAGE_SIZE; i++)
            CHECK(page[i] == 0);
    else if (number == 0)
        (void)page[0];
    if (number != (lied->error == 0 ? 0 : SIGSEGV)) {
        fprintf(stderr, "signal %d, not for %d\n", number, lied->error);
        return 1;
    }
    sp_file_region_destroy(&region);
    return sp_detach(&task);
}

static void test_a_server_that_lies_fails_a_touch_and_nothing_else(void **state)
{
    static const int errors[ILL_KEEPS] = {
        [ILL_TOO_MUCH] = 0,
        [ILL_OTHER] = -EPROTO,
        [ILL_GARBAGE] = -EPROTO,
        [ILL_LEAVES] = -EPIPE,
    };
    const struct stage *stage = *state;

    open_doors(stage);
    for (enum ill ill = ILL_TOO_MUCH; ill < ILL_KEEPS; ill++) {
        struct imposter imposter;
        struct sp_testing_task *server = begin_imposter(stage, ill, &imposter);
        struct lied lied = {imposter.socket, errors[ill]};

        stage_expect_success(stage_begin(stage, "toucher", touch_region_of_imposter, &lied));
        stage_expect_success(server);
    }
    stage_expect_success(stage_begin(stage, "reader", read_x, NULL));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_client_that_lies_fails_its_own_reads),
        TEST(test_clients_that_vanish_take_nothing_with_them),
        TEST(test_a_client_that_lies_writes_nothing),
        TEST(test_a_client_that_touches_its_container_harms_only_itself),
        TEST(test_random_requests_of_clients_harm_nobody),
        TEST(test_a_client_cannot_name_what_another_one_shares),
        TEST(test_a_container_is_not_taken_for_one_that_had_its_number),
        cmocka_unit_test_setup_teardown(
            test_a_file_that_never_comes_keeps_whoever_reads_it_and_nobody_else, setup_stuck,
            stage_teardown),
        TEST(test_a_server_that_hangs_loses_the_container),
        cmocka_unit_test_setup_teardown(test_a_user_that_opens_all_it_can_leaves_files_for_others,
                                        setup_few, stage_teardown),
        TEST(test_a_server_that_lies_fails_the_read_and_nothing_else),
        TEST(test_a_server_that_lies_fails_a_touch_and_nothing_else),
    };

    return cmocka_run_group_tests_name("sim/fileserver/fileserver_hostile", tests, NULL, NULL);
}
