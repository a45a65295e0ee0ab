/* usage: task PAGES */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    size_t pages = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

    if (pages == 0) {
        fprintf(stderr, "usage: task PAGES\n");
        return 2;
    }
    return table_fill(&pages);
}
