#include "symbols/symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

struct symbols {
    Dwfl *dwfl;
    bool reporting; /* files are still being added */
};

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

bool symbols_available(void)
{
    return true;
}

int symbols_open(struct symbols **symbolsp, struct sp_error *error)
{
    struct symbols *symbols = calloc(1, sizeof(*symbols));

    *symbolsp = symbols;
    if (symbols != NULL)
        symbols->dwfl = dwfl_begin(&callbacks);
    if (symbols == NULL || symbols->dwfl == NULL) {
        free(symbols);
        *symbolsp = NULL;
        return error_set(error, ENOMEM, "no memory for symbols");
    }
    dwfl_report_begin(symbols->dwfl);
    symbols->reporting = true;
    return 0;
}

/* ---- Files ---- */

/* How far the file's own addresses lie from those at which it was mapped. False: no piece of it that is code
 * begins there. */
static bool find_bias(Elf *elf, uint64_t first, uint64_t offset, uint64_t *biasp)
{
    size_t count = 0;

    check(elf != NULL);
    if (elf_getphdrnum(elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr memory;
        const GElf_Phdr *header = gelf_getphdr(elf, (int)i, &memory);

        if (header == NULL || header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0 ||
            offset + header->p_align < header->p_offset ||
            offset >= header->p_offset + header->p_filesz)
            continue;
        *biasp = first - offset + header->p_offset - header->p_vaddr;
        return true;
    }
    return false;
}

/* Takes the descriptor. */
static const char *report(struct symbols *symbols, int consume_fd, const char *path, uint64_t first,
                          uint64_t offset)
{
    const char *slash = strrchr(path, '/');
    uint64_t bias;
    bool found;
    Elf *elf;

    check(symbols->reporting && consume_fd >= 0);
    elf_version(EV_CURRENT);
    elf = elf_begin(consume_fd, ELF_C_READ_MMAP, NULL);
    found = elf != NULL && find_bias(elf, first, offset, &bias);
    elf_end(elf);
    if (found && dwfl_report_elf(symbols->dwfl, slash != NULL ? slash + 1 : path, path, consume_fd,
                                 bias, true) != NULL)
        return NULL; /* the descriptor is libdw's */
    close(consume_fd);
    return found ? dwfl_errmsg(-1) : "the file is not the one that was mapped";
}

const char *symbols_add(struct symbols *symbols, const char *path, uint64_t first, uint64_t offset)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    check(symbols->reporting);
    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return "it is no regular file";
    }
    return report(symbols, fd, path, first, offset);
}

/* ---- Addresses ---- */

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(
        dwarf_attr_integrate(die, DW_AT_name, &attribute) != NULL ? &attribute : NULL);

    return name != NULL ? name : dwarf_diename(die);
}

static bool is_function(Dwarf_Die *die)
{
    return dwarf_tag(die) == DW_TAG_inlined_subroutine || dwarf_tag(die) == DW_TAG_subprogram;
}

/* The functions that a piece of code lies in, from the inside out, up to the one that is called. */
static void name_functions(Dwarf_Die *innermost, struct symbols_place *place)
{
    Dwarf_Die *scopes = NULL;
    int count = dwarf_getscopes_die(innermost, &scopes);

    for (int i = 0; i < count; i++) {
        if (!is_function(&scopes[i]))
            continue;
        if (place->function == NULL)
            place->function = name_of(&scopes[i]);
        else
            place->within = name_of(&scopes[i]);
        if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram)
            break;
    }
    check(place->within == NULL || place->function != NULL);
    free(scopes);
}

/* Scopes of an address go on, from an inlined function, with where it was written: the first one counts. */
static void find_functions(Dwarf_Die *unit, Dwarf_Addr code, struct symbols_place *place)
{
    Dwarf_Die *scopes = NULL;
    int count = dwarf_getscopes(unit, code, &scopes);

    for (int i = 0; i < count; i++)
        if (is_function(&scopes[i])) {
            name_functions(&scopes[i], place);
            break;
        }
    check(count <= 0 || scopes != NULL);
    free(scopes);
}

void symbols_find(struct symbols *symbols, uint64_t code, struct symbols_place *place)
{
    Dwfl_Module *module;
    Dwfl_Line *line;
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit;

    *place = (struct symbols_place){.line = 0};
    if (symbols->reporting)
        dwfl_report_end(symbols->dwfl, NULL, NULL);
    symbols->reporting = false;
    module = dwfl_addrmodule(symbols->dwfl, code);
    if (module == NULL)
        return;
    unit = dwfl_module_addrdie(module, code, &bias);
    if (unit != NULL)
        find_functions(unit, code - bias, place);
    if (place->function == NULL)
        place->function = dwfl_module_addrname(module, code);
    line = dwfl_module_getsrc(module, code);
    if (line != NULL)
        place->file = dwfl_lineinfo(line, NULL, &place->line, NULL, NULL, NULL);
    check(place->file == NULL || place->line >= 0);
}

void symbols_close(struct symbols **symbolsp)
{
    if (symbolsp == NULL || *symbolsp == NULL)
        return;
    dwfl_end((*symbolsp)->dwfl);
    free(*symbolsp);
    *symbolsp = NULL;
}
