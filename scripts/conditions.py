#!/usr/bin/env python3
"""Makes docs/model.md: each condition that the hardware model can raise, and a test that has raised it. Reads what test-model
leaves in the folder SLUICE_CONDITIONS: in `all` the conditions, in TEST.met what TEST has met. Fails when no test has met a
condition; with --check also when the document is another one."""

import argparse
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENT = os.path.join(ROOT, "docs", "model.md")
THREADS = re.compile(r"(Threads|Explore)(/[0-9]+)?[.]")  # what these meet depends on who is faster
COMMON = set("a an and are as by each for in is it its itself no of one or that the there to what with".split())
INTRODUCTION = """# What the hardware model raises

Each condition with its section of IHI 0070 and a test that raises it. `./run docs` writes this page after it has run the
tests of the model: code names the places at which it raises something by the ids here (`sluice/model/conditions.hpp`,
`places.hpp`), `Knobs::observer` hears of each that is met, and `./run test` fails for one that no test has met, and when this
page is not what its own run has found. Of several tests the one is shown whose name has the most words of the condition, then
the one that meets the fewest others. [model-choices.md](model-choices.md) has what the architecture leaves open, what is out of
scope, and how the model is compared with a slow reference.
"""


def read(folder):
    """The conditions in their order, and for each test what it has met."""
    with open(os.path.join(folder, "all"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    met = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".met"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                met[name[:-len(".met")].replace("+", "/")] = {tuple(line.split()) for line in file}
    return rows, met


def words(text):
    """Those of a test's name or of a condition that say something: stage1, SPLIT, STE, FETCH, C, BAD."""
    return {word.lower() for word in re.findall(r"[A-Z]+[0-9]*(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+", text)} - COMMON


def choose(row, met):
    """The test that the page shows for a condition, or None."""
    _, _, heading, ident, _, sentence = row
    wanted = words(f"{heading} {ident} {sentence}")

    def rank(test):
        mine = words(test)
        return bool(THREADS.search(test)), "not" in mine, -len(mine & wanted), "/" in test, len(met[test]), test

    return min((test for test, conditions in met.items() if (row[0], row[1]) in conditions), default=None, key=rank)


def page(rows, met):
    lines, missing, heading = [INTRODUCTION], [], None
    for row in rows:
        _, _, title, ident, section, sentence = row
        if title != heading:
            heading = title
            lines.append(f"## {title}\n\n| condition | section | what | test |\n|---|---|---|---|")
        test = choose(row, met)
        if test is None:
            missing.append(ident)
        end = "\n" if row is rows[-1] or rows[rows.index(row) + 1][2] != title else ""
        lines.append(f"| `{ident}` | {section} | {sentence} | `{test}` |{end}")
    return "\n".join(lines).rstrip("\n") + "\n", missing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="SLUICE_CONDITIONS of the run")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    try:
        rows, met = read(options.folder)
    except OSError as error:
        print(f"conditions: no test has left anything: {error}", file=sys.stderr)
        return 1
    text, missing = page(rows, met)
    for ident in missing:
        print(f"conditions: no test has met {ident}", file=sys.stderr)
    if options.check:
        with open(DOCUMENT, encoding="utf-8") as file:
            same = file.read() == text
        if not same:
            print("conditions: docs/model.md is not what the tests have met; `./run docs` writes it", file=sys.stderr)
        return 1 if missing or not same else 0
    if not missing:
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(text)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
