/* The command line of selfpage-swap. */
#include "base/assert.h"
#include "options.h"

#include <errno.h>
#include <limits.h>

#include "base/error.h"

static const char about[] = "The swap server: keeps pages of tasks in the slots of a device.\n";

static const char notes[] = "SIGTERM and SIGINT end the server cleanly.\n";

static int mode_set(void *arg, enum swap_mode mode, struct sp_error *error)
{
    struct swap_options *options = arg;

    if (options->mode != SWAP_MODE_AUTO && options->mode != mode)
        return error_set(error, EINVAL, "--buffered and --direct exclude each other");
    check(mode == SWAP_MODE_BUFFERED || mode == SWAP_MODE_DIRECT);
    options->mode = mode;
    return 0;
}

static int buffered_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)text;
    return mode_set(options, SWAP_MODE_BUFFERED, error);
}

static int direct_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)text;
    return mode_set(options, SWAP_MODE_DIRECT, error);
}

#define FIELD(name) offsetof(struct swap_options, name)

static const struct option_row rows[] = {
    {"slots", OPTION_U32, FIELD(slots), 1, SWAP_SLOTS_MAX, .value = "N",
     .help = "slots of one page (4 KiB) each"},
    {"socket", OPTION_TEXT, FIELD(socket), .value = "PATH", .help = "where tasks connect"},
    {"file", OPTION_TEXT, FIELD(file), .value = "PATH", .help = "the same as --device file:PATH"},
    {"device", OPTION_TEXT, FIELD(device), .value = "NAME:PLACE",
     .help = "where the slots lie: see \"Devices\" below"},
    {"keep", OPTION_FLAG, FIELD(keep),
     .help = "keep the file; started again on it, serve its clients by their old keys. What was "
             "acknowledged outlives the server, also by kill -9"},
    {"sync", OPTION_FLAG, FIELD(sync), .help = "acknowledge only what would outlive a power loss"},
    {"buffered", OPTION_CALL_FLAG, .take = buffered_take,
     .help = "go through the page cache, and answer each request at once"},
    {"direct", OPTION_CALL_FLAG, .take = direct_take,
     .help = "bypass the page cache (O_DIRECT), or do not start (default: --direct where the "
             "file system can, else --buffered)"},
    {"quota", OPTION_U32, FIELD(quota), 1, SWAP_SLOTS_MAX, .value = "N",
     .help = "most slots that one client may reserve (default: all)"},
    {"user-quota", OPTION_U32, FIELD(user_quota), 1, SWAP_SLOTS_MAX, .value = "N",
     .help = "most slots that all clients of one user may reserve together (default: all)"},
    {"bandwidth", OPTION_U32, FIELD(bandwidth), 1, UINT32_MAX, .value = "N",
     .help =
         "have clients make contracts for paging bandwidth: in shares, or for rates that sum up to at "
         "most N pages a second. Their pages then wait in queues, also with --buffered"},
    {"list-clients", OPTION_FLAG, FIELD(list_clients),
     .help = "print the clients that a kept file holds slots for, and end"},
    {"drop-client", OPTION_U32, FIELD(drop_client), 1, UINT32_MAX, .value = "ID",
     .help = "drop this client of a kept file, with what it stored, and end"},
    {"ready-fd", OPTION_INT, FIELD(ready_fd), 0, INT_MAX, .value = "FD",
     .help = "write one byte to FD, and close it, once the server listens"},
    {"fail-writes", OPTION_RATE, FIELD(fail_writes), .most = 1, .value = "RATE",
     .help = "pretend that this share of written pages fails, 0 to 1, for tests"},
    {"fail-reads", OPTION_RATE, FIELD(fail_reads), .most = 1, .value = "RATE",
     .help = "the same for pages read"},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX, .value = "S",
     .help = "which ones (default: 1)"},
    {"verbose", OPTION_FLAG, FIELD(verbose),
     .help = "log clients that come and go, and totals at the end"},
};

/* Settle options->backend, and its place in options->file. */
static int device_choose(struct swap_options *options, struct sp_error *error)
{
    if (options->device != NULL && options->file != NULL)
        return error_set(error, EINVAL, "--device and --file exclude each other");
    if (options->device == NULL) {
        if (options->file == NULL || options->file[0] == '\0')
            return error_set(error, EINVAL, "--file is missing, or --device (see --help)");
        options->backend = &backend_file;
        options->device = options->file;
        return 0;
    }
    options->backend = backend_registry_find(options->device, &options->file);
    if (options->backend == NULL)
        return error_set(error, EINVAL,
                         "--device: \"%s\" begins with no backend and colon, as in file:PATH (see "
                         "--help)",
                         options->device);
    if (options->backend->place[0] != '\0' && options->file[0] == '\0')
        return error_set(error, EINVAL, "--device: %s needs a %s after the colon", options->device,
                         options->backend->place);
    check(options->backend != NULL);
    return 0;
}

/* Can the backend do what was asked for? */
static int device_judge(const struct swap_options *options, struct sp_error *error)
{
    bool keeps = options->backend->filter ? backend_registry_keeps(options->device)
                                          : options->backend->keeps;
    bool syncs = options->backend->filter ? backend_registry_syncs(options->device)
                                          : options->backend->sync != NULL;

    check(options->backend != NULL);
    if (options->keep && !keeps)
        return error_set(error, EINVAL,
                         "--device: %s keeps nothing once the server has ended: use --device "
                         "file:PATH, or leave out --keep, --list-clients and --drop-client",
                         options->device);
    if (options->sync && !syncs)
        return error_set(
            error, EINVAL,
            "--device: %s cannot outlive a power loss: use --device file:PATH, or leave "
            "out --sync",
            options->device);
    return 0;
}

static int settle(void *arg, struct sp_error *error)
{
    struct swap_options *options = arg;

    if (options->slots == 0)
        return error_set(error, EINVAL, "--slots is missing (see --help)");
    if (options->list_clients || options->drop_client != 0)
        options->keep = true;
    else if (options->socket == NULL)
        return error_set(error, EINVAL, "--socket is missing (see --help)");
    if (device_choose(options, error) < 0 || device_judge(options, error) < 0)
        return -EINVAL;
    if (options->quota > options->slots)
        return error_set(error, EINVAL, "--quota %u is more than --slots %u", options->quota,
                         options->slots);
    if (options->quota == 0)
        options->quota = options->slots;
    if (options->user_quota == 0)
        options->user_quota = UINT32_MAX; /* none */
    ensure(options->quota > 0 && options->quota <= options->slots && options->backend != NULL);
    return 0;
}

static void device_print(FILE *out, const struct swap_backend *backend)
{
    const struct sp_policy_param *param = backend->params;

    fprintf(out, "  %s:%s\n      %s\n", backend->name, backend->place, backend->help);
    for (; param != NULL && param->name != NULL; param++)
        fprintf(out, "      %s=  %s, %.9g to %.9g (%.9g)\n", param->name, param->help, param->least,
                param->most, param->preset);
}

static void devices_print(FILE *out)
{
    const struct swap_backend *backend;

    fprintf(out, "\nDevices:\n");
    for (size_t i = 0; (backend = backend_registry_at(i)) != NULL; i++)
        device_print(out, backend);
}

const struct options_syntax swap_options_syntax = {
    .program = "selfpage-swap",
    .version = SELFPAGE_VERSION,
    .usage = "--slots N --socket PATH (--file PATH | --device NAME:PLACE) [options]",
    .about = about,
    .notes = notes,
    .more = devices_print,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = settle,
};
