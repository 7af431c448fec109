#!/usr/bin/env python3
"""Compares every size, offset and constant of sluice/uapi with the headers of Linux 7, by the pairs of names in
tests/uapi/pairs.txt. Prints what differs or has no pair, then one line that counts. Exit 77: there are no headers."""

import argparse
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAIRS = os.path.join(ROOT, "tests", "uapi", "pairs.txt")
NO_HEADERS = 77

COMMENT = re.compile(r"//[^\n]*")
STRUCT = re.compile(r"\bstruct (\w+) \{(.*?)\n\};", re.S)
FIELD = re.compile(r"^\s+(?:std::u?int\d+_t|[A-Z]\w*) (\w+)(?:\[\d+\])?(?:\{\})?;", re.M)
ENUM = re.compile(r"\benum (class )?(\w+)[^{;]*\{([^}]*)\}")
CALL = re.compile(r"^#define (IOMMU_\w+)\s+(?:\\\n\s*)?_IO\(", re.M)
CONSTANT = re.compile(r"^(?:inline |static )?constexpr [\w:]+ (\w+)\b", re.M)


class Section:
    """What pairs.txt says of one of our headers. `rows` are (our label, our expression, their expression)."""

    def __init__(self, path, namespace, theirs):
        self.path, self.namespace, self.theirs = path, namespace, theirs
        self.rows, self.names, self.struct = [], set(), None

    def value(self, ours, theirs):
        self.names.add(ours)
        self.rows.append((ours, f"{self.namespace}::{ours}", theirs))

    def begin(self, ours, theirs, call=None):
        self.struct = (ours, theirs)
        self.names.add(ours)
        full = f"{self.namespace}::{ours}"
        self.rows.append((f"sizeof {ours}", f"sizeof({full})", f"sizeof(struct {theirs})"))
        if call:
            self.rows.append((f"call {ours}", f"{self.namespace}::call({full}::nr)", call))

    def field(self, word):
        mine, _, other = word.partition("=")
        ours, theirs = self.struct
        self.names.add(f"{ours}.{mine}")
        pair = (f"{self.namespace}::{ours}", mine), (f"struct {theirs}", other or mine)
        self.rows.append((f"offset {ours}.{mine}", *("offsetof(%s, %s)" % side for side in pair)))
        self.rows.append((f"size {ours}.{mine}", *("sizeof(((%s*)nullptr)->%s)" % side for side in pair)))


def read_pairs(path):
    sections = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "file":
                sections.append(Section(words[1], words[2], words[3:]))
            elif line.startswith(" "):
                for word in words:
                    sections[-1].field(word)
            elif words[0] == "struct":
                sections[-1].begin(*words[1:])
            elif words[0] == "value":
                sections[-1].value(*words[1:])
            elif words[0] == "own":
                sections[-1].names.update(words[1:])
            else:
                sys.exit(f"{path}: cannot read '{line.strip()}'")
    return sections


def names_in(text):
    """Every structure, field, enumerator and constant of one of our headers, as pairs.txt names them."""
    text = COMMENT.sub("", text)
    names = set()
    for name, body in STRUCT.findall(text):
        names.add(name)
        names.update(f"{name}.{field}" for field in FIELD.findall(body))
    for scoped, name, body in ENUM.findall(text):
        for word in body.split(","):
            if word.strip():
                entry = word.split("=")[0].strip()
                names.add(f"{name}::{entry}" if scoped else entry)
    names.update(CONSTANT.findall(text))
    return names


def values(includes, rows, folders):
    """What each of `rows`, (label, expression), is in C++ with these headers: label -> value."""
    with tempfile.TemporaryDirectory() as work:
        source, program = os.path.join(work, "table.cpp"), os.path.join(work, "table")
        lines = ["#include <cstddef>", "#include <cstdio>", *(f"#include <{name}>" for name in includes), "int main() {"]
        lines += [f'std::printf("%s=%llu\\n", "{label}", (unsigned long long)({expression}));' for label, expression in rows]
        with open(source, "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, "}", ""]))
        command = [os.environ.get("CXX", "g++"), "-std=c++20", "-w", "-Wno-invalid-offsetof"]
        for folder in folders:
            command += ["-isystem", folder]
        done = subprocess.run([*command, source, "-o", program], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return [int(line.rpartition("=")[2]) for line in subprocess.check_output([program], text=True).splitlines()]


def compare(sections, root, headers):
    """What is wrong, as lines, and how many values were compared."""
    wrong, count = [], 0
    for section in sections:
        with open(os.path.join(root, section.path), encoding="utf-8") as file:
            for name in sorted(names_in(file.read()) - section.names):
                wrong.append(f"{section.path}: {name} has no line in tests/uapi/pairs.txt")
        ours = values([section.path], [(label, mine) for label, mine, _ in section.rows], [root])
        theirs = values(section.theirs, [(label, other) for label, _, other in section.rows], headers)
        for (label, _, other), mine, real in zip(section.rows, ours, theirs, strict=True):
            if mine != real:
                wrong.append(f"{section.path}: {label} is {mine}; Linux: {other} is {real}")
        count += len(section.rows)
    with open(os.path.join(headers[0], "linux", "iommufd.h"), encoding="utf-8") as file:
        for name in sorted(set(CALL.findall(file.read())) - {row[2] for section in sections for row in section.rows}):
            wrong.append(f"Linux has a call {name}; it has no structure in tests/uapi/pairs.txt")
    return wrong, count


def fetch():
    done = subprocess.run([os.path.join(ROOT, "scripts", "uapi_headers.sh")], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode != 0:
        print((done.stderr.strip().splitlines() or ["no headers"])[-1], file=sys.stderr)
        sys.exit(NO_HEADERS)
    return done.stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--headers", help="a folder with linux/ and x86_64-linux-gnu/; otherwise they are fetched, once")
    folder = parser.parse_args().headers or fetch()
    wrong, count = compare(read_pairs(PAIRS), ROOT, [folder, os.path.join(folder, "x86_64-linux-gnu")])
    for line in wrong:
        print(line)
    print(f"{count} values compared, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
