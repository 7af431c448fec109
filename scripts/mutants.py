#!/usr/bin/env python3
"""One-line faults that a test has to notice.

tests/mutants/NAME.patch is a patch (-p1) with, before it, the lines
    # kills: test-driver --gtest_filter=CommandQueue.*      the test that must fail or hang
    # preset: release                                       optional: asan, tsan or explore instead
Each is applied to a copy of the tree and only that test is built, so that a build costs one file.
"""

import argparse
import contextlib
import filecmp
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATCHES = os.path.join(ROOT, "tests", "mutants")
WORK = os.path.join(ROOT, "build", "mutants")
TREE = os.path.join(WORK, "tree")
PART = 10  # how many `--all` runs
BUILD_SECONDS = 900


class Mutant:
    def __init__(self, path):
        self.name = os.path.basename(path)[: -len(".patch")]
        self.path = path
        with open(path, encoding="utf-8") as file:
            text = file.read()
        head = dict(re.findall(r"^# *(kills|preset): *(.+?) *$", text.split("\n--- ")[0], flags=re.M))
        self.preset = head.get("preset", "release")
        self.command = shlex.split(head.get("kills", ""))
        self.files = re.findall(r"^\+\+\+ b/(\S+)", text, flags=re.M)
        self.wrong = ""
        if not self.command:
            self.wrong = "no line '# kills: TARGET [--gtest_filter=...]'"
        elif not self.files:
            self.wrong = "no line '+++ b/FILE'"


def all_mutants():
    if not os.path.isdir(PATCHES):
        return []
    return [Mutant(os.path.join(PATCHES, name)) for name in sorted(os.listdir(PATCHES)) if name.endswith(".patch")]


def part_of(mutants, commit):
    """A part that the commit chooses, so that over time all have their turn."""
    def key(mutant):
        return hashlib.sha256(f"{commit} {mutant.name}".encode()).hexdigest()
    return sorted(sorted(mutants, key=key)[:PART], key=lambda mutant: mutant.name)


def commit():
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() or "none"


def copy_tree():
    """Brings the copy up to date; files that are equal keep their time, so that builds stay incremental."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
                            text=True).stdout.split("\n")
    wanted = {path for path in listed if path and os.path.isfile(os.path.join(ROOT, path))}
    for folder, folders, names in os.walk(TREE):
        if folder == TREE and "build" in folders:
            folders.remove("build")
        for name in names:
            path = os.path.join(folder, name)
            if os.path.relpath(path, TREE) not in wanted:
                os.remove(path)
    for path in wanted:
        source, target = os.path.join(ROOT, path), os.path.join(TREE, path)
        if not (os.path.isfile(target) and filecmp.cmp(source, target, shallow=False)):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)


def build(preset, target, log):
    folder = os.path.join(TREE, "build", preset)
    steps = [["cmake", "--build", folder, "--target", target]]
    if not os.path.isfile(os.path.join(folder, "build.ninja")):
        steps.insert(0, ["cmake", "--preset", preset])
    for step in steps:
        result = subprocess.run(step, cwd=TREE, stdout=log, stderr=subprocess.STDOUT, timeout=BUILD_SECONDS)
        if result.returncode:
            return False
    return True


def run_test(mutant, seconds, log):
    """'passed', 'failed', 'hung' or 'matches no test'."""
    binary = os.path.join(TREE, "build", mutant.preset, mutant.command[0])
    try:
        result = subprocess.run([binary, *mutant.command[1:]], cwd=WORK, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=seconds)
    except subprocess.TimeoutExpired:
        return "hung"
    log.write(result.stdout)
    log.flush()
    if result.returncode:
        return "failed"
    return "matches no test" if b"[  PASSED  ] 0 tests" in result.stdout else "passed"


@contextlib.contextmanager
def applied(mutant):
    """The copy with the fault in it; yields what is wrong with the patch, if anything."""
    # Out of reach of the repository around it, git applies like patch.
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=WORK)
    done = subprocess.run(["git", "apply", mutant.path], cwd=TREE, env=environment, capture_output=True, text=True)
    pairs = [(os.path.join(ROOT, path), os.path.join(TREE, path)) for path in mutant.files]
    try:
        if done.returncode:
            yield "the patch does not apply: " + done.stderr.strip().split("\n")[0]
        elif all(filecmp.cmp(*pair, shallow=False) for pair in pairs):
            yield "the patch changed nothing"
        else:
            yield ""
    finally:
        for source, target in pairs:
            if os.path.isfile(source):
                shutil.copy(source, target)


def try_mutant(mutant, baselines, log):
    """(killed, what happened)."""
    if mutant.wrong:
        return False, mutant.wrong
    key = (mutant.preset, *mutant.command)
    if key not in baselines:
        if not build(mutant.preset, mutant.command[0], log):
            return False, f"{mutant.command[0]} does not build without the mutant"
        start = time.monotonic()
        baselines[key] = (run_test(mutant, 300, log), time.monotonic() - start)
    verdict, seconds = baselines[key]
    if verdict != "passed":
        return False, f"without the mutant '{shlex.join(mutant.command)}' {verdict}"

    with applied(mutant) as problem:
        if problem:
            return False, problem
        if not build(mutant.preset, mutant.command[0], log):
            return False, "the mutant does not build"
        verdict = run_test(mutant, 20 + 10 * seconds, log)
    if verdict in ("failed", "hung"):
        return True, f"killed ({verdict})"
    return False, f"SURVIVED '{shlex.join(mutant.command)}'"


def run(mutants):
    """Tries each; yields (name, killed, what happened, seconds)."""
    os.makedirs(TREE, exist_ok=True)
    copy_tree()
    baselines = {}
    for mutant in mutants:
        start = time.monotonic()
        with open(os.path.join(WORK, mutant.name + ".log"), "wb") as log:
            try:
                killed, what = try_mutant(mutant, baselines, log)
            except subprocess.TimeoutExpired:
                killed, what = False, f"the build took more than {BUILD_SECONDS} s"
        yield mutant.name, killed, what, time.monotonic() - start


def build_one(mutant, target):
    """Builds a program with the fault in it and prints where it is."""
    os.makedirs(TREE, exist_ok=True)
    copy_tree()
    log_path = os.path.join(WORK, mutant.name + ".log")
    with applied(mutant) as problem, open(log_path, "wb") as log:
        if problem or not build(mutant.preset, target, log):
            print(f"{mutant.name}: {problem or 'does not build'}; see {log_path}", file=sys.stderr)
            return 1
        program = os.path.join(WORK, f"{target}-{mutant.name}")
        shutil.copy(os.path.join(TREE, "build", mutant.preset, target), program)
    print(program)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--all", action="store_true", help=f"{PART}, chosen by the commit")
    chosen.add_argument("--every", action="store_true")
    chosen.add_argument("--only", metavar="NAME", action="append")
    chosen.add_argument("--list", action="store_true")
    chosen.add_argument("--build", nargs=2, metavar=("NAME", "TARGET"), help="build TARGET with the fault, print its path")
    options = parser.parse_args()
    mutants = all_mutants()
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:40} {mutant.wrong or shlex.join(mutant.command)}")
        return 0
    names = options.only or (options.build or [])[:1]
    if names:
        unknown = set(names) - {mutant.name for mutant in mutants}
        if unknown:
            parser.error("no mutant " + ", ".join(sorted(unknown)))
        mutants = [mutant for mutant in mutants if mutant.name in names]
        if options.build:
            return build_one(mutants[0], options.build[1])
    elif options.all:
        mutants = part_of(mutants, commit())
    results = []
    for name, killed, what, seconds in run(mutants):
        print(f"{name:40} {what} ({seconds:.1f} s)" + ("" if killed else f"; see build/mutants/{name}.log"), flush=True)
        results.append(killed)
    print(f"{results.count(True)} killed, {results.count(False)} not killed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
