"""What a header says: its first comment, and each declaration with the comment before it."""
import re
from dataclasses import dataclass

FIRST = re.compile(r"\A/\*(.*?)\*/", re.S)
ITEM = re.compile(r"/\*\*(?!<)(.*?)\*/\n|/\* ---- (.*?) ---- \*/\n", re.S)


@dataclass
class Item:
    kind: str  # function, type, macro
    name: str
    code: str  # the declaration, without a body if it is a function
    doc: str


def comment_text(comment):
    """The words of a comment, without the stars before its lines."""
    lines = [re.sub(r"^[ \t]*\*? ?", "", line, count=1) if i > 0 else line.strip()
             for i, line in enumerate(comment.strip("\n").split("\n"))]
    # The second line of "/** A" is indented by one more blank than the star is.
    rest = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    cut = min(rest, default=0)
    return "\n".join([lines[0]] + [line[cut:] if line.strip() else "" for line in lines[1:]]).strip()


def statement(text):
    """The declaration that begins here, and what kind it is."""
    if text.startswith("#define"):
        end = re.search(r"(?<!\\)\n", text).start()
        return "macro", text[:end]
    body = re.match(r"(typedef )?(struct|enum|union) \w+ \{", text)
    function = re.match(r"static inline [^;{]*\)\n\{", text)
    if function:
        code = text[:function.end() - 2].removeprefix("static inline ") + ";"
        return "function", re.sub(r"^ {14}", "", code, flags=re.M)
    if body:
        end = re.search(r"^\}[^;]*;", text, re.M).end()
        return "type", text[:end]
    end = text.index(";") + 1
    code = text[:end]
    if code.startswith("SP_EXPORT"):
        code = re.sub(r"\s*SP_PRINTF\([^)]*\)", "", code.removeprefix("SP_EXPORT "))
        code = re.sub(r"^ {10}", "", code, flags=re.M)
        return ("function" if "(" in code else "type"), code
    return "type", code


def name_of(kind, code):
    if kind == "macro":
        return re.match(r"#define (\w+)", code)[1]
    if kind == "function":
        return re.search(r"(\w+)\(", code)[1]
    match = re.match(r"(?:typedef )?((?:struct|enum|union) \w+)", code)
    if code.startswith("typedef") or match is None:
        return re.search(r"(\w+)(?:\([^)]*\))?;$", code, re.S)[1]
    return match[1]


def parse(text):
    """The header's first comment, and its items in order; an item may have no comment of its own."""
    first = FIRST.match(text)
    items = []
    for match in ITEM.finditer(text):
        if match[1] is None:
            continue
        rest = text[match.end():]
        if rest[:1] in (" ", "}"):
            continue  # of a field of a struct
        kind, code = statement(rest)
        items.append(Item(kind, name_of(kind, code), code, comment_text(match[1])))
    return (comment_text(first[1]) if first else ""), items


def declared(text):
    """The names of all functions that a header declares, whether they have a comment or not."""
    names = re.findall(r"^SP_EXPORT [^;()]*?\b(\w+)\(", text, re.M)
    return names + re.findall(r"^static inline [^;()]*?\b(\w+)\(", text, re.M)
