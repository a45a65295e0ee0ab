#include "selfpage/top/screen.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/clock.h"
#include "selfpage/top/detail.h"

/* Columns of a history behind the list, which a long name does not take. */
#define MIN_GRAPH 20

/* Columns for which a third history is worth it. */
#define MIN_GRAPH_WIDE 48

/* Lines above the list, and below. */
#define LINES_ABOVE 6
#define LINES_BELOW 1

/* Eighths of a block, and what stands for them where the terminal has no such letters. */
static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const letters[] = {" ", ".", ".", "-", "-", "=", "=", "#", "#"};
static const char *const *steps = letters;

/* ---- Pieces ---- */

static double most_of(const struct view_history *history, unsigned count)
{
    double most = 0;

    for (unsigned i = 0; i < history->count && i < count; i++)
        if (history->value[i] > most)
            most = history->value[i];
    return most;
}

/* A line of `width` columns, the newest value at its right end. */
static void draw_spark(int line, int column, int width, const struct view_history *history,
                       double full)
{
    for (int i = 0; i < width; i++) {
        unsigned at = (unsigned)(width - 1 - i);
        double value = at < history->count && full > 0 ? history->value[at] / full : 0;
        int step = value <= 0 ? 0 : value >= 1 ? 8 : 1 + (int)(value * 7.0);

        mvaddstr(line, column + i, steps[step]);
    }
}

/* The same, `height` lines high. */
static void draw_graph(int line, int column, int height, const char *title,
                       const struct view_history *history, int width)
{
    double full = most_of(history, (unsigned)width);

    mvprintw(line, column + 1, "%s, at most %.0f", title, full);
    for (int i = 0; i < width; i++) {
        unsigned at = (unsigned)(width - 1 - i);
        double value = at < history->count && full > 0 ? history->value[at] / full * height : 0;

        for (int row = 0; row < height; row++) {
            double part = value - row;
            int step = part <= 0 ? 0 : part >= 1 ? 8 : 1 + (int)(part * 7.0);

            mvaddstr(line + height - row, column + 1 + i, steps[step]);
        }
    }
}

static void draw_bar(int line, int column, int width, double share)
{
    int full = (int)(share * width + 0.5);

    for (int i = 0; i < width; i++)
        mvaddstr(line, column + i, i < full ? steps[8] : steps == blocks ? "░" : ".");
}

/* ---- The servers ---- */

static double share_of(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* Columns that it takes to say how often this looks. */
#define EVERY 14

/* Where the sparklines of the servers begin. */
#define SPARK_COLUMN 62

static void draw_physmem(const struct view *view)
{
    const struct observed_physmem *p = &view->physmem;
    uint32_t used = p->frames - p->free - p->soft;

    attron(A_BOLD);
    mvprintw(0, 0, "physmem  %7u frames", p->frames);
    attroff(A_BOLD);
    printw("  %u free  %u soft  %u guaranteed  %zu tasks", p->free, p->soft, p->guaranteed,
           view->live);
    mvprintw(1, 0, "held     %7u %3.0f %% ", used, 100 * share_of(used, p->frames));
    draw_bar(1, 24, SPARK_COLUMN - 26, share_of(used, p->frames));
    draw_spark(1, SPARK_COLUMN, COLS - SPARK_COLUMN, &view->held, p->frames);
    mvprintw(2, 0, "faults   %7.0f /s  recalls %.0f /s, %llu met, %llu missed", view->rates.faults,
             view->rates.recalls, (unsigned long long)p->recalls_met,
             (unsigned long long)p->recalls_missed);
    draw_spark(2, SPARK_COLUMN, COLS - SPARK_COLUMN, &view->faults,
               most_of(&view->faults, VIEW_SAMPLES));
}

static void draw_swap(const struct view *view)
{
    const struct observed_swap *s = &view->swap;

    if (!view->has_swap) {
        mvaddstr(3, 0, "swap     not watched (--swap names its socket)");
        return;
    }
    mvprintw(3, 0, "swap     %7u of %u  %u queued  in %.0f out %.0f /s", s->used, s->slots,
             s->queued + s->in_flight, view->rates.swapped_in, view->rates.swapped_out);
    if (s->failed + s->corrupt > 0)
        printw("  %" PRIu64 " FAILED", s->failed + s->corrupt);
    draw_spark(3, SPARK_COLUMN, COLS - SPARK_COLUMN, &view->swapping,
               most_of(&view->swapping, VIEW_SAMPLES));
}

/* Which arbiter decides, and what the file server does; how often this looks, at the right end. */
static void draw_control(const struct view *view, const struct top_options *options)
{
    static const char *const control[] = {"physmem's own arbiter", "a policy server",
                                          "the table of a policy server that died"};
    const struct observed_files *files = &view->files;
    char text[80];

    mvprintw(4, 0, "control  %s", control[view->physmem.control % 3]);
    if (view->has_files) {
        snprintf(text, sizeof text, "  files %" PRIu64 " reads %" PRIu64 " refused", files->reads,
                 files->refused);
        if (getcurx(stdscr) + (int)strlen(text) < COLS - EVERY)
            addstr(text);
    }
    mvprintw(4, COLS - EVERY, "every %6.2f s", (double)options->interval_ns / 1e9);
}

/* ---- The list ---- */

/* What all columns take, where that of names is as narrow as it may be. */
static int list_width(void)
{
    int width = 0;

    for (size_t i = 0; columns_at(i) != NULL; i++)
        width += abs(columns_at(i)->width) + 1;
    return width;
}

static void draw_titles(const struct selection *selection, int names)
{
    const struct top_column *column;
    int at = 0;

    attron(A_REVERSE);
    mvhline(LINES_ABOVE - 1, 0, ' ', COLS);
    for (size_t i = 0; (column = columns_at(i)) != NULL; i++) {
        if (i == selection->sort)
            attron(A_BOLD | A_UNDERLINE);
        if (at + abs(columns_width(column, names)) <= COLS)
            mvprintw(LINES_ABOVE - 1, at, "%*s", columns_width(column, names), column->title);
        attroff(A_BOLD | A_UNDERLINE);
        at += abs(columns_width(column, names)) + 1;
    }
    if (COLS > at + 12)
        mvprintw(LINES_ABOVE - 1, at + 1, "HELD BEFORE");
    attroff(A_REVERSE);
}

static void draw_task(int line, const struct view_task *task, int names, bool chosen, double most)
{
    const struct top_column *column;
    char text[COLUMN_TEXT];
    int at = 0;
    attr_t look = chosen                                        ? A_REVERSE
                  : task->ended                                 ? A_DIM
                  : task->now.overdue > 0 || task->now.owed > 0 ? A_BOLD
                                                                : A_NORMAL;

    attron(look);
    mvhline(line, 0, ' ', COLS);
    for (size_t i = 0; (column = columns_at(i)) != NULL; i++) {
        columns_text(column, task, names, text);
        if (at + abs(columns_width(column, names)) <=
            COLS) /* what has no room would go on in the next line */
            mvaddstr(line, at, text);
        at += abs(columns_width(column, names)) + 1;
    }
    if (COLS > at + 12)
        draw_spark(line, at + 1, COLS - at - 2, &task->held, most);
    attroff(look);
}

/* The row of the chosen task; the first one if it is not there. */
static size_t chosen_row(const struct screen *screen)
{
    for (size_t i = 0; i < screen->count; i++)
        if (screen->shown[i]->now.id == screen->chosen)
            return i;
    return 0;
}

/* Keep the chosen row in sight. */
static void keep_in_sight(struct screen *screen, size_t row)
{
    if (row < screen->first)
        screen->first = row;
    if (row >= screen->first + screen->page)
        screen->first = row + 1 - screen->page;
    if (screen->first + screen->page > screen->count)
        screen->first = screen->count > screen->page ? screen->count - screen->page : 0;
}

static void draw_list(struct screen *screen, const struct view *view)
{
    size_t row = chosen_row(screen);
    double most = 0;
    int names = columns_names(screen->shown, screen->count, COLS - list_width() - MIN_GRAPH);

    screen->page =
        LINES > LINES_ABOVE + LINES_BELOW ? (size_t)(LINES - LINES_ABOVE - LINES_BELOW) : 1;
    keep_in_sight(screen, row);
    draw_titles(&screen->options->selection, names);
    for (size_t i = 0; i < view->count; i++)
        if (most_of(&view->tasks[i].held, VIEW_SAMPLES) > most)
            most = most_of(&view->tasks[i].held, VIEW_SAMPLES);
    for (size_t i = 0; i < screen->page && screen->first + i < screen->count; i++)
        draw_task(LINES_ABOVE + (int)i, screen->shown[screen->first + i], names,
                  screen->first + i == row, most);
    if (screen->count == 0)
        mvaddstr(LINES_ABOVE, 2,
                 view->count == 0 ? "no task has attached yet" : "no task is selected");
}

/* ---- One task ---- */

/* Lines that the histories of a task take, their titles included. */
static int graph_lines(void)
{
    int lines = 3 + (LINES - 24) / 4;

    return lines < 3 ? 3 : lines > 9 ? 9 : lines;
}

/* What the task was like: two histories beside each other, or three on a wide terminal. */
static void draw_histories(const struct view_task *task)
{
    const struct {
        const char *title;
        const struct view_history *history;
    } graphs[] = {{"frames held", &task->held},
                  {"faults a second", &task->faults},
                  {"pages a second to and from swap", &task->swapping}};
    int count = COLS >= 3 * MIN_GRAPH_WIDE ? 3 : 2, room = COLS / count, width = room - 2;

    if (width > (int)VIEW_SAMPLES)
        width = (int)VIEW_SAMPLES;
    for (int i = 0; i < count; i++)
        draw_graph(LINES_ABOVE, i * room, graph_lines() - 1, graphs[i].title, graphs[i].history,
                   width);
}

/* All that is said of the task in lines, from the one on that is at the top. */
static void draw_detail(struct screen *screen, const char *text, int below)
{
    size_t line = 0, lines = 0;

    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    screen->room_alone = LINES - LINES_BELOW > below ? (size_t)(LINES - LINES_BELOW - below) : 1;
    if (screen->skip + screen->room_alone > lines)
        screen->skip = lines > screen->room_alone ? lines - screen->room_alone : 0;
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1, line++)
        if (line >= screen->skip && line - screen->skip < screen->room_alone) {
            int length = end - text < COLS ? (int)(end - text) : COLS;
            bool title = length > 1 && text[0] >= 'A' && text[0] <= 'Z';

            attron(title ? A_BOLD : A_NORMAL);
            mvaddnstr(below + (int)(line - screen->skip), 0, text, length);
            attroff(A_BOLD);
        }
}

static int draw_alone(struct screen *screen, const struct view *view, const struct view_task *task)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return -ENOMEM;
    detail_print(out, view, task, COLS);
    if (fclose(out) != 0) {
        free(text);
        return -ENOMEM;
    }
    attron(A_BOLD);
    mvprintw(LINES_ABOVE - 1, 0, "%s", task->now.name);
    attroff(A_BOLD);
    printw("  process %u of user %u%s", task->now.pid, task->now.uid,
           task->now.breached ? "  lost everything"
           : task->ended      ? "  ended"
                              : "");
    draw_histories(task);
    draw_detail(screen, text, LINES_ABOVE + graph_lines());
    free(text);
    return 0;
}

/* ---- The whole ---- */

static int select_tasks(struct screen *screen, const struct view *view)
{
    if (view->count > screen->room) {
        size_t room = 2 * view->count;
        const struct view_task **shown =
            reallocarray(screen->shown, room, sizeof(const struct view_task *));

        if (shown == NULL)
            return -ENOMEM;
        screen->shown = shown;
        screen->room = room;
    }
    screen->count = columns_select(view, &screen->options->selection, screen->shown, screen->room);
    check(screen->count <= view->count);
    return 0;
}

static void draw_bottom(const struct screen *screen, const char *remark)
{
    attron(A_REVERSE);
    mvhline(LINES - 1, 0, ' ', COLS);
    if (screen->typing)
        mvprintw(LINES - 1, 0, "names that contain: %s_", screen->filter);
    else if (remark != NULL)
        mvprintw(LINES - 1, 0, "%.*s", COLS, remark);
    else
        mvaddnstr(LINES - 1, 0,
                  screen->paused ? "PAUSED: space goes on, q ends"
                                 : "q end  s/S sort  r reverse  / filter  enter task  a ended  +/- "
                                   "speed  space stop",
                  COLS);
    attroff(A_REVERSE);
}

int screen_draw(struct screen *screen, const struct view *view, const char *remark)
{
    const struct view_task *task = NULL;
    int result = 0;

    ensure(screen->open);
    if (select_tasks(screen, view) != 0)
        return -ENOMEM;
    erase();
    draw_physmem(view);
    draw_swap(view);
    draw_control(view, screen->options);
    for (size_t i = 0; screen->alone && i < view->count; i++)
        if (view->tasks[i].now.id == screen->chosen)
            task = &view->tasks[i];
    if (task != NULL)
        result = draw_alone(screen, view, task);
    else
        draw_list(screen, view);
    draw_bottom(screen, remark);
    refresh();
    return result;
}

int screen_open(struct screen *screen, struct top_options *options, struct sp_error *error)
{
    const char *codes;

    *screen = (struct screen){.options = options};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return error_set(error, ENOTTY, "this is not a terminal: use --batch or --json");
    setlocale(LC_CTYPE, "");
    codes = nl_langinfo(CODESET);
    steps = strcmp(codes, "UTF-8") == 0 ? blocks : letters;
    if (newterm(NULL, stdout, stdin) == NULL)
        return error_set(error, ENOTTY,
                         "TERM=%.40s names no terminal that can show a full screen: use --batch",
                         getenv("TERM") != NULL ? getenv("TERM") : "");
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    screen->open = true;
    return 0;
}

void screen_close(struct screen *screen)
{
    if (screen->open)
        endwin();
    free(screen->shown);
    *screen = (struct screen){.open = false};
}

/* ---- Keys ---- */

static enum screen_wish type(struct screen *screen, int key)
{
    size_t length = strlen(screen->filter);

    if (key == '\n' || key == KEY_ENTER || key == 27)
        screen->typing = false;
    else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length > 0)
        screen->filter[length - 1] = '\0';
    else if (key > ' ' && key < 127 && length + 1 < sizeof(screen->filter))
        screen->filter[length] = (char)key;
    screen->options->selection.filter = screen->filter;
    return SCREEN_DRAW;
}

static void move_bar(struct screen *screen, long by)
{
    long row = (long)chosen_row(screen) + by;

    if (screen->count == 0)
        return;
    if (row >= (long)screen->count)
        row = (long)screen->count - 1;
    if (row < 0)
        row = 0;
    screen->chosen = screen->shown[row]->now.id;
}

static void sort_by(struct screen *screen, bool next)
{
    unsigned *sort = &screen->options->selection.sort;

    if (next)
        *sort = columns_at(*sort + 1) != NULL ? *sort + 1 : 0;
    else if (*sort > 0)
        (*sort)--;
    else
        while (columns_at(*sort + 1) != NULL)
            (*sort)++;
}

static void change_interval(struct screen *screen, bool longer)
{
    uint64_t *ns = &screen->options->interval_ns;

    if (longer && *ns < 60 * CLOCK_NS_PER_S)
        *ns *= 2;
    else if (!longer && *ns > 100 * CLOCK_NS_PER_MS)
        *ns /= 2;
}

static enum screen_wish act(struct screen *screen, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
        return SCREEN_END;
    case KEY_UP:
    case KEY_DOWN:
        move_bar(screen, key == KEY_UP ? -1 : 1);
        break;
    case KEY_PPAGE:
    case KEY_NPAGE:
        if (screen->alone && key == KEY_NPAGE)
            screen->skip += screen->room_alone;
        else if (screen->alone)
            screen->skip -= screen->skip < screen->room_alone ? screen->skip : screen->room_alone;
        else
            move_bar(screen, key == KEY_PPAGE ? -(long)screen->page : (long)screen->page);
        break;
    case '\n':
    case KEY_ENTER:
        move_bar(screen, 0);
        screen->alone = !screen->alone;
        break;
    case 27:
        screen->alone = false;
        break;
    case 's':
    case 'S':
        sort_by(screen, key == 's');
        break;
    case 'r':
        screen->options->selection.reversed = !screen->options->selection.reversed;
        break;
    case 'a':
        screen->options->selection.all = !screen->options->selection.all;
        break;
    case '/':
        screen->typing = true;
        screen->filter[0] = '\0';
        break;
    case '+':
    case '-':
        change_interval(screen, key == '-');
        break;
    case ' ':
        screen->paused = !screen->paused;
        break;
    }
    return SCREEN_DRAW;
}

enum screen_wish screen_key(struct screen *screen)
{
    int key = getch();

    if (key == ERR)
        return SCREEN_NOTHING;
    return screen->typing ? type(screen, key) : act(screen, key);
}
