#include "io/user.h"

#include <stdlib.h>

#include "base/assert.h"

static struct user **bucket_of(struct users *users, uid_t uid)
{
    return &users->bucket[uid % USER_BUCKETS];
}

struct user *user_take(struct users *users, uid_t uid)
{
    struct user **bucket = bucket_of(users, uid);
    struct user *user = *bucket;

    while (user != NULL && user->uid != uid)
        user = user->next;
    if (user == NULL) {
        user = calloc(1, sizeof(*user));
        if (user == NULL)
            return NULL;
        user->uid = uid;
        user->next = *bucket;
        *bucket = user;
    }
    user->references++;
    return user;
}

void user_release(struct users *users, struct user *user)
{
    struct user **link = bucket_of(users, user->uid);

    ensure(user->references > 0);
    if (--user->references > 0)
        return;
    ensure(user->connections == 0 && user->unclosed == 0 && user->extents == 0 &&
           user->output == 0 && user->input == 0 && !user->deferred);
    while (*link != user)
        link = &(*link)->next;
    *link = user->next;
    if (users->turn == user)
        users->turn = NULL;
    free(user);
}
