/* The exit statuses of every program here. */
#ifndef BASE_EXITS_H
#define BASE_EXITS_H

enum exits {
    EXIT_YES = 0,    /* it ran, and the answer is yes, or there was no question */
    EXIT_NO = 1,     /* it ran, and the answer is no */
    EXIT_CANNOT = 2, /* it could not run */
};

#endif
