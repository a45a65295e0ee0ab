/* The full screen of selfpage top, by ncurses. */
#ifndef SELFPAGE_TOP_SCREEN_H
#define SELFPAGE_TOP_SCREEN_H

#include <selfpage/error.h>

#include "selfpage/top/options.h"

/* What the person at the keyboard wants next. */
enum screen_wish {
    SCREEN_NOTHING, /* all that was typed is done */
    SCREEN_DRAW,    /* the same numbers, shown in another way */
    SCREEN_END,
};

struct screen {
    struct top_options *options; /* keys change the selection and the interval */
    uint32_t chosen;             /* id of the task under the bar; 0: the first */
    size_t first;                /* row at the top of the list */
    size_t page;                 /* rows that the list has */
    bool alone;                  /* the chosen task is shown alone */
    size_t skip;                 /* lines about it that stand above the screen */
    size_t room_alone;           /* those that the screen has room for */
    bool paused;
    bool typing; /* the filter */
    char filter[32];
    const struct view_task **shown; /* of the list that was drawn last */
    size_t count, room;
    bool open;
};

/* Take over the terminal. -ENOTTY: standard input or output is none, or TERM names none that can do. */
int screen_open(struct screen *screen, struct top_options *options, struct sp_error *error);

/* Give the terminal back as it was. May be called again. */
void screen_close(struct screen *screen);

/* Draw everything. `remark` is shown at the bottom instead of the keys; NULL: there is none. Returns 0
 * or -ENOMEM. */
int screen_draw(struct screen *screen, const struct view *view, const char *remark);

/* Act on one key that was typed, if there is one. */
enum screen_wish screen_key(struct screen *screen);

#endif
