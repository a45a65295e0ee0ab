"""Text as mdoc."""
import re


def escape(text):
    """A line of text: nothing in it is a request or an escape."""
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text


def sentences(text):
    """A paragraph: each sentence begins a line, as mdoc wants it."""
    parts = re.split(r"(?<=[A-Za-z0-9)\]\"'][.!?])\s+(?=\S)", " ".join(text.split()))
    # The names of variables and of constants are not broken at the end of a line.
    return [re.sub(r"(?<![\w\\%])(?=[A-Z]+_[A-Z])", r"\\%", escape(part)) for part in parts]


def words(text):
    """Words behind a macro: none of them is a macro or closes a sentence."""
    out = []
    for word in text.split():
        word = escape(word).replace('"', "\\(dq")
        out.append("\\&" + word if re.match(r"[A-Z%][a-z]?[a-z]?$|\W", word) else word)
    return " ".join(out)


def prose(text):
    """Paragraphs; lines that are indented stay as they are, and so does a block that mixes both."""
    out = []
    for block in re.split(r"\n[ \t]*\n", text.strip("\n")):
        lines = block.rstrip().split("\n")
        indented = [line.startswith(" ") for line in lines]
        if not any(lines):
            continue
        out.append(".Pp")
        if not any(indented):
            out += sentences(block)
            continue
        plain = indented.index(True)
        if plain > 0 and all(indented[plain:]) and (plain > 1 or re.search(r" .*[.:,]$", lines[0])):
            out += sentences("\n".join(lines[:plain]))
            lines = lines[plain:]
        margin = min(len(line) - len(line.lstrip()) for line in lines)
        out.append(".Bd -literal -offset 2n")
        out += [escape(line[margin:]) for line in lines]
        out.append(".Ed")
    return out


def section(title, lines):
    """A section; empty if it has no lines."""
    while lines and lines[0] == ".Pp":
        lines = lines[1:]
    return [f".Sh {title}", *lines] if lines else []


def head(name, number, summary, date):
    return [f".Dd {date}", f".Dt {name.upper()} {number}", ".Os", ".Sh NAME", f".Nm {name}",
            f".Nd {words(summary)}"]


def write(path, lines):
    """Without what mandoc would remark: paragraphs that stand before a list or a display."""
    text = "\n".join(lines) + "\n"
    text = re.sub(r"(\.S[hs] [^\n]*\n)\.Pp\n", r"\1", text)
    text = re.sub(r"\.Pp\n(?=\.(Bd|Bl|Sh|Ss|Pp))", "", text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
