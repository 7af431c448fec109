#!/usr/bin/env python3
"""What `./run fuzz [NAME] [--seconds N] [--runs N] [--seed N]` does: builds fuzz-NAME (fuzz/NAME.cpp) with libFuzzer, starts it
from what is kept in fuzz/corpus/NAME, and then prints how many lines of its layers what is kept reaches. The seed is printed.
It goes on for --seconds, 60 if nothing is said; with --runs and --fresh it tries that many inputs, with one seed the same ones on
every machine. New ones go to build/fuzz-work/NAME, where --fresh drops those of earlier calls first; --merge puts those that
reach more into fuzz/corpus/NAME. A finding is printed once more as the last line."""

import argparse
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMEOUT = "25"  # seconds for one input: a hang


class Target:
    """Of the lines of which layers the corpus has to reach how many per cent, and the longest input."""

    def __init__(self, *layers, least=85.0, max_bytes=700, without=()):
        self.layers, self.least, self.max_bytes, self.without = layers, least, max_bytes, without

    def counts(self, path):
        folder, name = os.path.split(path)
        return folder in [f"sluice/{layer}" for layer in self.layers] and name not in self.without


TARGETS = {
    "model": Target("model"),
    # Access objects are for drivers: no call makes one.
    "iommufd": Target("iommufd", "vfio", least=80.0, max_bytes=1000,
                      without=("access.hpp", "context_access.cpp", "ioas_access.cpp")),
}


def targets():
    stems = (os.path.splitext(os.path.basename(path))[0] for path in glob.glob(f"{ROOT}/fuzz/*.cpp"))
    return sorted(stem for stem in stems if stem != "replay")


def target(name):
    return TARGETS.get(name, Target(name))


def build(preset, name):
    for command in (["cmake", "--preset", preset], ["cmake", "--build", f"build/{preset}", "--target", f"fuzz-{name}"]):
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if result.returncode != 0:
            print((result.stdout + result.stderr)[-4000:], file=sys.stderr)
            raise SystemExit(f"fuzz: '{' '.join(command)}' failed")


def corpus(name):
    return os.path.join(ROOT, "fuzz", "corpus", name)


def same_addresses():
    """What libFuzzer learns from comparisons has addresses in it."""
    command = ["setarch", os.uname().machine, "--addr-no-randomize"]
    allowed = shutil.which(command[0]) and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if allowed else []


def watched(command):
    """The lines that say what was found, if it fails; all are printed."""
    told = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            if re.search(r"^finding: |ERROR: |SUMMARY: |Test unit written|^Base64: ", line):
                told.append(line.strip())
    return (told or [f"exit status {process.returncode}"]) if process.returncode != 0 else []


def fuzz(name, seconds, runs, seed, merge, fresh):
    """What was found, in lines."""
    build("fuzz", name)
    work = os.path.join(ROOT, "build", "fuzz-work", name)
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work, exist_ok=True)
    os.makedirs(corpus(name), exist_ok=True)
    program = os.path.join(ROOT, "build", "fuzz", f"fuzz-{name}")
    limits = [f"-timeout={TIMEOUT}", f"-max_len={target(name).max_bytes}", "-len_control=0", "-rss_limit_mb=4096"]
    found = []
    if seconds or runs >= 0:
        print(f"fuzz-{name}: seed {seed}", flush=True)
        found += watched([*same_addresses(), program, f"-seed={seed}", f"-max_total_time={seconds}", f"-runs={runs}", "-reload=0", *limits,
                          f"-artifact_prefix={work}-", "-print_final_stats=1", work, corpus(name)])
    if merge:
        found += watched([program, "-merge=1", "-use_counters=0", *limits, corpus(name), work])
    return found


def counted_lines(folder, wanted):
    """{file: {line: whether it ran}} by gcov, for the files of a target's layers."""
    data = glob.glob(f"{folder}/**/*.gcda", recursive=True)
    lines = {}
    for start in range(0, len(data), 16):
        result = subprocess.run(["gcov", "--json-format", "--stdout", *data[start:start + 16]], cwd=ROOT, capture_output=True, text=True)
        for document in filter(None, result.stdout.split("\n")):
            for file in json.loads(document)["files"]:
                path = os.path.relpath(os.path.realpath(os.path.join(folder, file["file"])), ROOT)
                if wanted.counts(path):
                    seen = lines.setdefault(path, {})
                    for line in file["lines"]:
                        number = line["line_number"]
                        seen[number] = seen.get(number, False) or line["count"] > 0
    return lines


def coverage(name):
    """Per cent of the lines of a target's layers that the corpus reaches; prints them by file."""
    build("coverage", name)
    folder = os.path.join(ROOT, "build", "coverage")
    for old in glob.glob(f"{folder}/**/*.gcda", recursive=True):
        os.remove(old)
    result = subprocess.run([os.path.join(folder, f"fuzz-{name}"), corpus(name)], cwd=ROOT, capture_output=True, text=True)
    if result.returncode != 0:
        print(result.stderr[-2000:], file=sys.stderr)
        raise SystemExit("fuzz: the corpus has a finding")
    lines = counted_lines(folder, target(name))
    lines = {path: seen for path, seen in lines.items() if seen}  # a header may have none that run
    for path, seen in sorted(lines.items()):
        missing = [number for number, ran in sorted(seen.items()) if not ran]
        print(f"{100 * (len(seen) - len(missing)) / len(seen):6.1f} %  {path}" + (f"  not: {missing}" if missing else ""))
    total = sum(len(seen) for seen in lines.values())
    ran = sum(sum(seen.values()) for seen in lines.values())
    share = 100 * ran / total if total else 0.0
    print(f"fuzz-{name}: {result.stdout.strip()} reach {ran} of {total} lines of {', '.join(target(name).layers)}: {share:.1f} %, "
          f"at least {target(name).least} wanted")
    return share


def main():
    parser = argparse.ArgumentParser(prog="run fuzz", description=__doc__)
    parser.add_argument("name", nargs="?", default="model", choices=targets())
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--runs", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    seconds = options.seconds if options.seconds is not None else 60 if options.runs < 0 else 0
    found = fuzz(options.name, seconds, options.runs, options.seed, options.merge, options.fresh)
    enough = coverage(options.name) >= target(options.name).least
    for line in found:
        print(f"FOUND: {line}", file=sys.stderr)
    return 0 if enough and not found else 1


if __name__ == "__main__":
    sys.exit(main())
