/* Pages compressed by lz4: quick, for a device below that is quick too. */
#include <lz4.h>
#include <stdlib.h>

#include "backend/compressed.h"
#include "backend/registry.h"

static const struct sp_policy_param lz4_params[] = {
    COMPRESSED_RATIO,
    {"speed", 1, 1, 64, "more is quicker, and compresses less"},
    {0},
};

struct lz4_context {
    void *state;
    int speed;
};

static void lz4_end(void *contextp)
{
    struct lz4_context *context = contextp;

    free(context->state);
    free(context);
}

static void *lz4_begin(const double *values)
{
    struct lz4_context *context = malloc(sizeof(*context));

    if (context == NULL)
        return NULL;
    *context =
        (struct lz4_context){.state = malloc((size_t)LZ4_sizeofState()), .speed = (int)values[1]};
    if (context->state != NULL)
        return context;
    lz4_end(context);
    return NULL;
}

static uint32_t lz4_compress(void *contextp, void *to, uint32_t room, const void *page)
{
    struct lz4_context *context = contextp;
    int length =
        LZ4_compress_fast_extState(context->state, page, to, SWAP_PAGE, (int)room, context->speed);

    return length > 0 ? (uint32_t)length : 0;
}

static bool lz4_expand(void *context, void *page, const void *from, uint32_t length)
{
    (void)context;
    return LZ4_decompress_safe(from, page, (int)length, SWAP_PAGE) == (int)SWAP_PAGE;
}

static const struct compressor lz4 = {
    .name = "lz4",
    .params = lz4_params,
    .begin = lz4_begin,
    .end = lz4_end,
    .compress = lz4_compress,
    .expand = lz4_expand,
};

static int lz4_open(void **device, const struct swap_backend_wish *wish,
                    struct swap_backend_facts *facts, struct sp_error *error)
{
    return compressed_open(device, wish, facts, error, &lz4);
}

const struct swap_backend backend_lz4 = {
    .name = "lz4",
    .place = "[OPTIONS:]DEVICE",
    .help = "compresses pages quickly, in front of DEVICE",
    .params = lz4_params,
    .keeps = true,
    .filter = true,
    .open = lz4_open,
    .finish = compressed_finish,
    .write = compressed_write,
    .read = compressed_read,
    .discard = compressed_discard,
    .head_write = compressed_head_write,
    .head_read = compressed_head_read,
    .sync = compressed_sync,
    .count = compressed_count,
    .close = compressed_close,
};
