#include "trace/column.h"

#include <ctype.h>
#include <string.h>

#define NAME_MOST 32u

static const struct {
    const char *name;
    enum column column;
} names[] = {
    {"objid", COLUMN_ID},
    {"objectid", COLUMN_ID},
    {"id", COLUMN_ID},
    {"obj", COLUMN_ID},
    {"object", COLUMN_ID},
    {"key", COLUMN_ID},
    {"cachekey", COLUMN_ID},
    {"hash", COLUMN_ID},
    {"page", COLUMN_ID},
    {"pageid", COLUMN_ID},
    {"pagenumber", COLUMN_ID},
    {"block", COLUMN_ID},
    {"blockid", COLUMN_ID},
    {"blocknumber", COLUMN_ID},
    {"lba", COLUMN_ID},
    {"lbn", COLUMN_ID},
    {"lpn", COLUMN_ID},
    {"vpn", COLUMN_ID},
    {"ppn", COLUMN_ID},
    {"sector", COLUMN_ID},
    {"address", COLUMN_ID},
    {"addr", COLUMN_ID},
    {"offset", COLUMN_ID},
    {"url", COLUMN_ID},
    {"device", COLUMN_SPACE},
    {"deviceid", COLUMN_SPACE},
    {"dev", COLUMN_SPACE},
    {"disk", COLUMN_SPACE},
    {"diskid", COLUMN_SPACE},
    {"disknumber", COLUMN_SPACE},
    {"volume", COLUMN_SPACE},
    {"volumeid", COLUMN_SPACE},
    {"vol", COLUMN_SPACE},
    {"hostname", COLUMN_SPACE},
    {"file", COLUMN_SPACE},
    {"fileid", COLUMN_SPACE},
    {"inode", COLUMN_SPACE},
    {"lun", COLUMN_SPACE},
    {"asu", COLUMN_SPACE},
    {"size", COLUMN_SIZE},
    {"objsize", COLUMN_SIZE},
    {"objectsize", COLUMN_SIZE},
    {"length", COLUMN_SIZE},
    {"len", COLUMN_SIZE},
    {"bytes", COLUMN_SIZE},
    {"nbytes", COLUMN_SIZE},
    {"iosize", COLUMN_SIZE},
    {"op", COLUMN_OPERATION},
    {"operation", COLUMN_OPERATION},
    {"opcode", COLUMN_OPERATION},
    {"type", COLUMN_OPERATION},
    {"iotype", COLUMN_OPERATION},
    {"rw", COLUMN_OPERATION},
    {"readwrite", COLUMN_OPERATION},
    {"cmd", COLUMN_OPERATION},
    {"command", COLUMN_OPERATION},
    {"method", COLUMN_OPERATION},
    {"cnt", COLUMN_COUNT},
    {"count", COLUMN_COUNT},
    {"opcount", COLUMN_COUNT},
    {"time", COLUMN_OTHER},
    {"timestamp", COLUMN_OTHER},
    {"optime", COLUMN_OTHER},
    {"ts", COLUMN_OTHER},
    {"ttl", COLUMN_OTHER},
    {"tenant", COLUMN_OTHER},
    {"clientid", COLUMN_OTHER},
    {"keysize", COLUMN_OTHER},
    {"valuesize", COLUMN_OTHER},
    {"responsetime", COLUMN_OTHER},
    {"nextaccess", COLUMN_OTHER},
    {"pid", COLUMN_OTHER},
};

/* "size(bytes)" and "size[bytes]" are sizes in the unit that sizes have anyway. */
static void cut_unit(char *plain)
{
    static const char *const units[] = {"(bytes)", "[bytes]", "(byte)", "(b)", "[b]"};
    size_t length = strlen(plain);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t unit = strlen(units[i]);

        if (length > unit && strcmp(plain + length - unit, units[i]) == 0) {
            plain[length - unit] = '\0';
            return;
        }
    }
}

enum column column_named(const char *name, size_t length)
{
    char plain[NAME_MOST];
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        if (strchr(" \t_-.", name[i]) != NULL && name[i] != '\0')
            continue;
        if (used == NAME_MOST - 1)
            return COLUMN_UNKNOWN;
        plain[used++] = (char)tolower((unsigned char)name[i]);
    }
    plain[used] = '\0';
    cut_unit(plain);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, plain) == 0)
            return names[i].column;
    return COLUMN_UNKNOWN;
}
