#include "trace/foreign.h"

#include <string.h>
#include <strings.h>

#define EXTRACT ": extract the trace first"
#define EXPORT  ": export the column of ids as text or csv"
#define CAPTURE ": print the ids that you want, one a line"

/* Of a kind that is text, and of one that is not. */
#define TEXT(bytes, what)                                                                          \
    {                                                                                              \
        true, 0, sizeof(bytes) - 1, bytes, what                                                    \
    }
#define MAGIC(offset, bytes, what)                                                                 \
    {                                                                                              \
        false, offset, sizeof(bytes) - 1, bytes, what                                              \
    }

static const struct {
    bool text;
    unsigned offset, size;
    const char *bytes;
    const char *what;
} kinds[] = {
    MAGIC(0, "PK\3\4", "a zip archive (or a spreadsheet's file, which is one)" EXTRACT),
    MAGIC(0, "PK\5\6", "an empty zip archive"),
    MAGIC(257, "ustar", "a tar archive" EXTRACT),
    MAGIC(0, "7z\xbc\xaf\x27\x1c", "a 7z archive" EXTRACT),
    MAGIC(0, "Rar!\x1a\x07", "a rar archive" EXTRACT),
    MAGIC(0, "!<arch>\n", "an archive of ar" EXTRACT),
    MAGIC(0,
          "\x7f"
          "ELF",
          "a program, library or core file (ELF); selfpage record makes a trace "
          "of a program"),
    MAGIC(0, "MZ", "a program for Windows"),
    TEXT("#!", "a script"),
    MAGIC(0, "\xd4\xc3\xb2\xa1", "a capture of network packets (pcap)" CAPTURE),
    MAGIC(0, "\xa1\xb2\xc3\xd4", "a capture of network packets (pcap)" CAPTURE),
    MAGIC(0, "\x4d\x3c\xb2\xa1", "a capture of network packets (pcap)" CAPTURE),
    MAGIC(0, "\xa1\xb2\x3c\x4d", "a capture of network packets (pcap)" CAPTURE),
    MAGIC(0, "\x0a\x0d\x0d\x0a", "a capture of network packets (pcapng)" CAPTURE),
    MAGIC(0, "PERFILE2", "a recording of perf: use what perf script prints"),
    MAGIC(1, "\x74\x61\x65", "a recording of blktrace: use what blkparse prints"),
    MAGIC(0, "SQLite format 3", "a database of SQLite" EXPORT),
    MAGIC(0, "PAR1", "a table of Parquet" EXPORT),
    MAGIC(0, "ARROW1", "a table of Arrow" EXPORT),
    MAGIC(0, "Obj\1", "a table of Avro" EXPORT),
    MAGIC(0, "ORC", "a table of ORC" EXPORT),
    MAGIC(0, "\x89HDF\r\n", "a file of HDF5" EXPORT),
    MAGIC(0, "\x93NUMPY", "an array of NumPy: numpy.savetxt writes it as text"),
    MAGIC(0, "\xd0\xcf\x11\xe0", "a document of an old Office" EXPORT),
    MAGIC(0, "%PDF-", "a document (PDF)"),
    MAGIC(0, "\x89PNG", "a picture (PNG)"),
    MAGIC(0, "\xff\xd8\xff", "a picture (JPEG)"),
    MAGIC(0, "\xff\xfe", "text in UTF-16: iconv -f UTF-16 -t UTF-8 makes it readable"),
    MAGIC(0, "\xfe\xff", "text in UTF-16: iconv -f UTF-16 -t UTF-8 makes it readable"),
    TEXT("version https://git-lfs", "the place holder of Git LFS for a file that was not "
                                    "downloaded: git lfs pull gets it"),
    TEXT("/annex/objects/", "the place holder of git-annex for a file that was not downloaded: "
                            "git annex get gets it"),
    TEXT("%PDF-", "a document (PDF)"),
    TEXT("%!PS", "a document (PostScript)"),
    TEXT("<?xml", "a document (XML)"),
    TEXT("<!DOCTYPE", "a web page, perhaps the answer to a download that failed"),
    TEXT("<html", "a web page, perhaps the answer to a download that failed"),
    TEXT("{", "JSON" EXPORT),
    TEXT("[", "JSON" EXPORT),
};

const char *foreign_kind(const uint8_t *bytes, size_t size, bool text)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *at = (const char *)bytes + kinds[i].offset;

        if (kinds[i].text != text || size < (size_t)kinds[i].offset + kinds[i].size)
            continue;
        /* In text, of either case: people write <!doctype. */
        if (text ? strncasecmp(at, kinds[i].bytes, kinds[i].size) == 0
                 : memcmp(at, kinds[i].bytes, kinds[i].size) == 0)
            return kinds[i].what;
    }
    return NULL;
}

bool foreign_lines(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, '\r', size);

    return end != NULL && end + 1 < bytes + size && memchr(bytes, '\n', size) == NULL;
}
