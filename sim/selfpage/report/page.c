#include "selfpage/report/page.h"

#include <errno.h>

#include "os/stdio.h"
#include "selfpage/report/parts.h"

/* Text outside of scripts. */
static void write_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            fputc(*text, out);
        }
}

/* JSON inside of a script: < stands in strings only, where \u003c is the same, and without it nothing
 * ends the script. */
static int write_json(const char *bytes, size_t size, void *out)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == '<')
            fputs("\\u003c", out);
        else
            fputc(bytes[i], out);
    return ferror((FILE *)out) ? -1 : 0;
}

int page_write(FILE *out, const json_t *results, const char *title)
{
    errno = 0; /* what was written first may fail, long before the end */
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src "
          "'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n<title>",
          out);
    write_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header><h1>", parts_style);
    write_text(out, title);
    fputs("</h1><button id=\"theme\" type=\"button\">light / dark</button></header>\n"
          "<main id=\"main\"><noscript>This page shows its numbers by a script that is part of it; "
          "it loads nothing.</noscript></main>\n<footer>Made by selfpage " SELFPAGE_VERSION
          ". Nothing in this page is loaded from elsewhere.<details><summary>Licence of "
          "Chart.js</summary><pre>",
          out);
    write_text(out, parts_licence);
    fputs("</pre></details></footer>\n<script type=\"application/json\" id=\"data\">", out);
    if (json_dump_callback(results, write_json, out, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0)
        return errno != 0 ? -errno : -EIO;
    fprintf(out, "</script>\n<script>\n%s</script>\n<script>\n%s</script>\n</body>\n</html>\n",
            parts_chart, parts_script);
    return stdio_finish(out);
}
