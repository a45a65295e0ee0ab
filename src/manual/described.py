"""What programs say of themselves: --help=lines (src/os/option_lines.h), or else --help."""
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

# The example tasks are written to be copied, and have no table of options.
TASKS = ("sort", "grep", "kvstore", "analyser", "pagecache", "pager", "query", "rogue", "load")
SERVERS = ("selfpage-physmem", "selfpage-swap", "selfpage-policyserver", "selfpage-proxy",
           "selfpage-fileserver")


@dataclass
class Option:
    name: str
    letter: str
    value: str  # what the help calls the value; "": it takes none
    help: str


@dataclass
class Program:
    name: str  # as it is called: "selfpage run"
    summary: str = ""
    usage: str = ""
    about: str = ""
    rows: list = field(default_factory=list)  # Option, or str: a heading
    notes: str = ""
    more: str = ""
    exit: str = ""
    operands: str = ""
    commands: list = field(default_factory=list)  # Program

    @property
    def page(self):
        return self.name.replace(" ", "-")

    def options(self):
        return [row for row in self.rows if isinstance(row, Option)]

    def all(self):
        yield self
        for command in self.commands:
            yield from command.all()


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def unescape(text):
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), text)


def read_lines(bindir, words):
    """The program that `words` call, and its commands."""
    program = Program(" ".join(words))
    for line in run([os.path.join(bindir, words[0]), *words[1:], "--help=lines"]).splitlines():
        key, *fields = [unescape(part) for part in line.split("\t")]
        if key == "option":
            program.rows.append(Option(*fields))
        elif key == "heading":
            program.rows.append(fields[0])
        elif key == "command":
            command = read_lines(bindir, [*words, fields[0]])
            command.summary = fields[1]
            program.commands.append(command)
        elif key in ("usage", "about", "notes", "more", "exit", "operands"):
            setattr(program, key, fields[0])
    return program


def read_help(bindir, name):
    """The same from a help for people: example tasks are written to be copied, and have no table."""
    program = Program(name)
    text = run([os.path.join(bindir, name), "--help"])
    head, _, rest = text.partition("\n  -")
    usage, _, about = head.partition("\n")
    program.usage = usage.removeprefix(f"Usage: {name}").strip()
    program.about = about
    rows, _, notes = ("\n  -" + rest).partition("\n\n")
    for row in re.split(r"\n(?=  -)", rows)[1:]:
        match = re.match(r"  (?:-(\w), )?--([\w-]+)((?: \S+)*)(?:\s\s+(.*))?$", row, re.S)
        if match is None:
            sys.exit(f"{name} --help: not an option: {row}")
        letter, option, value, words = match.groups("")
        program.rows.append(Option(option, letter, value.strip(),
                                   " ".join(words.split()) or "print this"))
    program.notes, _, status = notes.partition("Exit status: ")
    program.exit = status.strip()
    return program


def first_sentence(program):
    text = " ".join(program.about.split())
    text = re.split(r"[.:,] |[.:]$| \(", text)[0].removeprefix("The ").rstrip(".:")
    return text[:1].lower() + text[1:]


def has_table(bindir, name):
    return subprocess.run([os.path.join(bindir, name), "--help=lines"], capture_output=True,
                          timeout=60).returncode == 0


def describe(bindir):
    """All programs of a directory: the command first."""
    names = [name for name in sorted(os.listdir(bindir)) if re.fullmatch(r"selfpage(-\w+)?", name)]
    programs = [read_lines(bindir, [name]) if has_table(bindir, name) else read_help(bindir, name)
                for name in names]
    for program in programs:
        program.summary = program.summary or first_sentence(program)
    return programs
