#include "model.h"

#include <errno.h>
#include <string.h>

void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
    for (int s = 0; s < MODEL_SPACES; s++)
        for (int p = 0; p < MODEL_PAGES; p++)
            model->page[s][p] = (struct model_page){.space = s, .page = p, .parent_space = -1};
    for (int f = 0; f < MODEL_FRAMES; f++) {
        model->page[0][f].mapped = true;
        model->page[0][f].frame = f;
        model->page[0][f].rights = SP_L4_RIGHTS;
    }
}

static struct model_page *parent(struct model *model, const struct model_page *page)
{
    return page->parent_space < 0 ? NULL : &model->page[page->parent_space][page->parent_page];
}

/* Whether `above` is above `page` in the tree, or is it. */
static bool is_above(struct model *model, const struct model_page *above, struct model_page *page)
{
    for (; page != NULL; page = parent(model, page))
        if (page == above)
            return true;
    return false;
}

/* Take rights from all below a page, and from it. */
static void restrict_rights(struct model *model, struct model_page *top, unsigned rights, bool self)
{
    struct model_page *list[MODEL_SPACES * MODEL_PAGES];
    int count = 0;

    for (int s = 0; s < MODEL_SPACES; s++)
        for (int p = 0; p < MODEL_PAGES; p++) {
            struct model_page *page = &model->page[s][p];

            if (page->mapped && page->parent_space >= 0 && (page != top || self) &&
                is_above(model, top, page))
                list[count++] = page;
        }
    for (int i = 0; i < count; i++) {
        list[i]->rights &= ~rights;
        if (list[i]->rights == 0)
            *list[i] = (struct model_page){
                .space = list[i]->space, .page = list[i]->page, .parent_space = -1};
    }
}

/* Put the place where `page` stands at another one, and let its children know. */
static void move(struct model *model, struct model_page *page, struct model_page *to)
{
    for (int s = 0; s < MODEL_SPACES; s++)
        for (int p = 0; p < MODEL_PAGES; p++) {
            struct model_page *child = &model->page[s][p];

            if (child->mapped && parent(model, child) == page) {
                child->parent_space = to->space;
                child->parent_page = to->page;
            }
        }
    to->mapped = true;
    to->frame = page->frame;
    to->parent_space = page->parent_space;
    to->parent_page = page->parent_page;
    to->rights = page->rights;
    to->own = to->below = 0;
    *page = (struct model_page){.space = page->space, .page = page->page, .parent_space = -1};
}

static bool transfer(struct model *model, struct model_page *from, struct model_page *to,
                     unsigned rights, bool grant)
{
    if (grant) {
        restrict_rights(model, from, SP_L4_RIGHTS & ~rights, true);
        if (!from->mapped)
            return false;
    }
    rights &= from->rights;
    if (from == to)
        return true;
    if (rights == 0)
        return false;
    if (!grant && to->mapped && parent(model, to) == from) {
        to->rights |= rights;
        return true;
    }
    restrict_rights(model, to, SP_L4_RIGHTS, true);
    if (!from->mapped)
        return false;
    if (grant) {
        move(model, from, to);
        return true;
    }
    to->mapped = true;
    to->frame = from->frame;
    to->parent_space = from->space;
    to->parent_page = from->page;
    to->rights = rights;
    return true;
}

uint32_t model_map(struct model *model, int from, int to, const struct sp_l4_item *item,
                   sp_fpage window)
{
    uint64_t send = sp_fpage_size(item->fpage) / SP_L4_PAGE,
             take = sp_fpage_size(window) / SP_L4_PAGE;
    uint64_t spot = item->send_base / SP_L4_PAGE;
    uint64_t source = sp_fpage_base(item->fpage) / SP_L4_PAGE, all = source;
    uint64_t target = sp_fpage_base(window) / SP_L4_PAGE;
    uint64_t count = send < take ? send : take;
    uint32_t mapped = 0;

    if (send > take && take > 0)
        source += spot % send / take * take;
    else if (send > 0)
        target += spot % take / send * send;
    for (uint64_t i = 0; i < count; i++)
        if (model->page[from][source + i].mapped)
            mapped += transfer(model, &model->page[from][source + i], &model->page[to][target + i],
                               sp_fpage_rights(item->fpage), item->grant);
    for (uint64_t p = all; item->grant && count > 0 && p < all + send; p++)
        if ((p < source || p >= source + count) && model->page[from][p].mapped)
            restrict_rights(model, &model->page[from][p], SP_L4_RIGHTS, true);
    return mapped;
}

unsigned model_unmap(struct model *model, int space, sp_fpage fpage, bool flush)
{
    uint64_t first = sp_fpage_base(fpage) / SP_L4_PAGE;
    unsigned status = 0;

    for (uint64_t p = first; p < first + sp_fpage_size(fpage) / SP_L4_PAGE; p++) {
        struct model_page *page = &model->page[space][p];

        if (!page->mapped)
            continue;
        status |= page->below | (flush ? page->own : 0);
        page->below = 0;
        if (flush)
            page->own = 0;
        restrict_rights(model, page, sp_fpage_rights(fpage), flush);
    }
    return status;
}

int model_access(struct model *model, int space, int number, unsigned rights)
{
    struct model_page *page = &model->page[space][number];
    unsigned status = SP_L4_READ | (rights & SP_L4_WRITE);

    if (!page->mapped)
        return -EFAULT;
    if ((rights & ~page->rights) != 0)
        return -EACCES;
    page->own |= status;
    while ((page = parent(model, page)) != NULL)
        page->below |= status;
    return 0;
}
