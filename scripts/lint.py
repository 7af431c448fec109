#!/usr/bin/env python3
"""Include directions and house rules, formatting, spelling. Prints FILE:LINE: what was found; what was expected."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CODE = (".hpp", ".cpp", ".h", ".c")
LINES_MAX = 320
EXAMPLE_LINES_MAX = {"examples/model.cpp": 40}  # what embedding takes
PORT_LINES_MAX = {"ports/aarch64": 399}  # what a port takes: all files, all lines. docs/porting.md

# Headers that a freestanding core may include. design.md, "The house".
FREESTANDING = set(
    "cstdint cstddef type_traits concepts limits array span bit atomic utility new tuple compare".split()
)
# std::construct_at is the only way to begin a lifetime in constant evaluation; its header is freestanding from C++23 on.
FREESTANDING_OF = {"base": {"memory"}}
THIRD_PARTY = {"fmt": "+fmt", "nlohmann": "+json", "CLI": "+cli", "gtest": "+gtest", "gmock": "+gtest",
               "benchmark": "+benchmark"}
# Atomics and locks of all layers up to machine go through base and platform, so that the explore build sees each.
SYNC_HEADERS = set("atomic thread mutex shared_mutex condition_variable semaphore latch barrier stop_token".split())
SYNC_NAMES = re.compile(r"\bstd::(atomic\w*|\w*mutex|j?thread|condition_variable\w*|lock_guard|unique_lock|scoped_lock"
                        r"|counting_semaphore|binary_semaphore|latch|barrier)\b")
HOSTED_WORDS = [  # what the core must not say, and what to say instead
    (re.compile(r"\bnew\b(?!\s*\()"), "no allocation in the core: platform::Memory or storage of the caller"),
    (re.compile(r"(?<!=)(?<!= )(?<!operator )\bdelete\b"), "no deallocation in the core"),
    (re.compile(r"\b(throw|try|catch)\b"), "no exceptions in the core: base::Result<T>"),
    (re.compile(r"\b(dynamic_cast|typeid)\b"), "no RTTI in the core"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*(<([^>]+)>|"([^"]+)")')
NAMESPACE = re.compile(r"\bnamespace\s+(sluice(?:::\w+)*)\b(?!\s*=)")
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)+\'')


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Table:
    """The file `layers`."""

    def __init__(self, path, problem):
        self.may, self.core, self.rows = {}, set(), []
        for number, line in enumerate(read(path).split("\n"), 1):
            match = re.match(r"([a-z0-9/]+)( core)?: +(.+)$", line)
            if not match:
                continue
            row, words = match.group(1), set(match.group(3).split()) - {"-"}
            for word in words - {"*", "+fmt", "+json"} - set(self.rows):
                problem(path, number, f"row '{row}' names '{word}'", "only names of rows above it")
            if words == {"*"}:
                words = set(self.rows) | {"+fmt", "+json", "+cli"}
            if match.group(2):
                self.core.add(row)
            elif "arch" in words:
                words.add("arch/names")
            self.may[row] = words
            self.rows.append(row)
            if words & {"driver"} and row == "model" or words & {"model"} and row == "driver":
                problem(path, number, f"{row} sees the other half", "driver and model never see each other")

    def row_of(self, path):
        """The row that a file, or the path in an include, belongs to; None if none."""
        parts = path.split("/")
        if parts[0] == "sluice" and len(parts) > 2:
            if parts[1] == "arch" and parts[2].startswith("names"):
                return "arch/names"
            return parts[1]
        if parts[0] == "ports" and len(parts) > 2:
            return "/".join(parts[:2])
        return "tools" if parts[0] == "tools" else None

    def allowed(self, path):
        """The rows and libraries that a file may include, its own row among them."""
        parts = path.split("/")
        row = self.row_of(path)
        if parts[:2] == ["fuzz", "reference"]:
            return {"arch", "base"}  # independent of what it is compared with
        if row:
            return self.may.get(row, set()) | {row}
        extra = {"+gtest"} if parts[0] == "tests" else {"+benchmark"}
        if parts[0] == "tests" and len(parts) > 2 and parts[1] in self.may:
            names = {"arch/names"} if "arch" in self.may[parts[1]] | {parts[1]} else set()
            return self.may[parts[1]] | {parts[1], "hosted", "+fmt", "+json"} | names | extra
        return set(self.rows) | {"+fmt", "+json"} | extra


def without_comments(text):
    """The text with comments and the contents of strings blanked, line by line."""
    text = re.sub(r'R"(\w*)\((.*?)\)\1"', lambda m: '""' + "\n" * m.group(0).count("\n"), text, flags=re.S)
    out, position = [], 0
    for match in re.finditer(r"//[^\n]*|/\*.*?\*/|" + STRING.pattern, text, flags=re.S):
        out.append(text[position:match.start()])
        found = match.group(0)
        out.append("\n" * found.count("\n") if found.startswith("/") else found[0] * 2)
        position = match.end()
    out.append(text[position:])
    return "".join(out)


def check_file(path, table, problem):
    text = read(os.path.join(ROOT, path))
    raw = text.split("\n")
    row = table.row_of(path)
    in_house = path.startswith("sluice/")
    core = row in table.core
    # hosted implements the seams; what lies above machine may use the standard library's threads.
    bound = row in table.rows and row not in ("hosted", "base") and row in table.may.get("machine", set()) | {"machine"}
    if row is None and in_house or row is not None and row not in table.may:
        problem(path, 1, "no row of `layers` names this folder", "a row")
        return
    if row and len(raw) - 1 > LINES_MAX:
        problem(path, len(raw) - 1, f"{len(raw) - 1} lines", f"at most {LINES_MAX}, one concept")
    if path.endswith(".hpp") and not re.search(r"^#pragma once$", text, flags=re.M):
        problem(path, 1, "no #pragma once", "#pragma once")

    allowed = table.allowed(path)
    for number, line in enumerate(raw, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header, quoted = match.group(2), match.group(3)
        if quoted is not None:
            if in_house:
                problem(path, number, f'"{quoted}"', "#include <sluice/LAYER/FILE.hpp>")
            continue
        top = header.split("/")[0]
        other = table.row_of(header)
        if other:
            if other not in allowed:
                listed = " ".join(sorted(w for w in allowed if not w.startswith("+")))
                problem(path, number, f"<{header}>", f"one of: {listed} (the table `layers`)")
        elif top in THIRD_PARTY:
            if THIRD_PARTY[top] not in allowed:
                problem(path, number, f"<{header}>", "no third-party code here (the table `layers`)")
        elif core and header not in FREESTANDING | FREESTANDING_OF.get(row, set()):
            problem(path, number, f"<{header}>", "a freestanding header: " + " ".join(sorted(FREESTANDING)))
        if bound and header in SYNC_HEADERS:
            problem(path, number, f"<{header}>", "base::Atomic, the fences of base, platform::Sync")

    code = without_comments(text).split("\n")
    spaces = []
    for number, line in enumerate(code, 1):
        if line.lstrip().startswith("#"):
            continue
        if core:
            for pattern, expected in HOSTED_WORDS:
                match = pattern.search(line)
                if match:
                    problem(path, number, f"'{match.group(0)}'", expected)
        if bound:
            match = SYNC_NAMES.search(line)
            if match:
                problem(path, number, match.group(0), "base::Atomic, the fences of base, platform::Sync")
        spaces += [(number, name) for name in NAMESPACE.findall(line)]
    if in_house:
        own = "sluice::" + path.split("/")[1]
        for number, name in spaces:
            if name != own and not name.startswith(own + "::"):
                problem(path, number, f"namespace {name}", f"namespace {own}")
        has_code = any(re.search(r"\w", line) and not line.lstrip().startswith("#") for line in code)
        if not spaces and has_code:
            problem(path, 1, "no namespace", f"namespace {own}")


def files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
                            text=True).stdout.split("\n")
    return sorted(path for path in set(listed) if path and os.path.isfile(os.path.join(ROOT, path)))


def house(paths, problem):
    table = Table(os.path.join(ROOT, "layers"), problem)
    for path in paths:
        if path.endswith(CODE) and path.split("/")[0] in ("sluice", "ports", "tools", "tests", "bench", "fuzz"):
            check_file(path, table, problem)
        most = EXAMPLE_LINES_MAX.get(path)
        if most and (lines := read(os.path.join(ROOT, path)).count("\n")) > most:
            problem(path, lines, f"{lines} lines", f"at most {most}")
    for folder, most in PORT_LINES_MAX.items():
        counted = {path: read(os.path.join(ROOT, path)).count("\n") for path in paths if path.startswith(folder + "/")}
        if (lines := sum(counted.values())) > most:
            longest = max(counted, key=counted.get)
            problem(longest, counted[longest], f"{lines} lines in the {len(counted)} files of {folder}",
                    f"at most {most}: it is the example of docs/porting.md")


def formatting(paths, problem):
    code = [path for path in paths if path.endswith(CODE)]
    for start in range(0, len(code), 64):
        result = subprocess.run(["clang-format", "--dry-run", "-Werror", *code[start:start + 64]], cwd=ROOT,
                                capture_output=True, text=True)
        seen = set()
        for match in re.finditer(r"^(\S+?):(\d+):\d+: error: (.*)$", result.stderr, flags=re.M):
            if match.group(1) not in seen:  # the first place of a file is enough
                seen.add(match.group(1))
                problem(match.group(1), int(match.group(2)), "formatting", f"clang-format -i {match.group(1)}")
        if result.returncode and not seen:
            problem(".clang-format", 1, result.stderr.strip()[-300:], "clang-format 14")


def spelling(paths, problem):
    paths = [path for path in paths if not path.startswith("fuzz/corpus/")]  # bytes that are no words
    words = os.path.join(ROOT, "scripts", "spelling-ignore.txt")
    for start in range(0, len(paths), 256):
        result = subprocess.run(["codespell", "-I", words, *paths[start:start + 256]], cwd=ROOT, capture_output=True,
                                text=True)
        for match in re.finditer(r"^(\S+?):(\d+): (.*?) ==> (.*)$", result.stdout, flags=re.M):
            problem(match.group(1), int(match.group(2)), match.group(3), match.group(4) +
                    " (or a line in scripts/spelling-ignore.txt)")


def planted(paths, problem):
    """The lines that a mutant changes stand in the file that it names, and in one place only."""
    for path in paths:
        if not re.match(r"tests/mutants/[^/]+\.patch$", path):
            continue
        target, hunks = None, []
        for number, line in enumerate(read(os.path.join(ROOT, path)).splitlines(), 1):
            if line.startswith("+++ b/"):
                target = line[len("+++ b/"):]
            elif line.startswith("@@"):
                hunks.append((number, target, []))
            elif hunks and line[:1] in ("", " ", "-") and not line.startswith("--- "):
                hunks[-1][2].append(line[1:])
        for number, target, old in hunks:
            if target not in paths:
                problem(path, number, f"a fault in {target}", "a file that exists")
                continue
            lines = read(os.path.join(ROOT, target)).splitlines()
            places = sum(lines[at:at + len(old)] == old for at in range(len(lines)))
            if places != 1:
                problem(path, number, f"its lines stand {places} times in {target}", "one place, chosen by enough lines around it")


def lint(checks=(house, formatting, spelling, planted)):
    """The files looked at, and the problems found."""
    problems = []

    def problem(path, line, found, expected):
        problems.append(f"{os.path.relpath(os.path.join(ROOT, path), ROOT)}:{line}: {found}; expected: {expected}")

    paths = files()
    for check in checks:
        check(paths, problem)
    return paths, problems


def main():
    paths, problems = lint()
    print("\n".join(problems + [f"lint: {len(paths)} files, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
