#!/usr/bin/env python3
"""Builds and tests everything: what `./run test` runs. Ends with one line that counts passed, failed and skipped: each
test of each preset is one, and so is each further check. Nothing stops at the first failure; logs are in build/logs."""

import argparse
import os
import shutil
import subprocess
import sys

import mutants
from steps.builds import EVERY_HEADER, build, ctest, threads
from steps.metal import bare_metal
from steps.qemu import guest, newer_qemu, qemu_differences
from steps.report import LOGS, ROOT, Report, log_path

CONDITIONS = os.path.join(ROOT, "build", "release", "conditions")  # which the model's tests have met: scripts/conditions.py
NO_HEADERS = 77  # scripts/uapi.py
LONG_RUNS = [("one actor", ["--seed", "11", "--threads", "1"]), ("four actors", ["--seed", "12", "--threads", "4"]),
             ("free threads", ["--threads", "3"]), ("free threads again", ["--threads", "3"])]
LONG_OPERATIONS = "20000"  # of each: seconds, also with a sanitizer
LONG_SECONDS = 180  # what fails is made shorter
FUZZED = ["model"]  # the threads of the target iommufd have no order that repeats
FUZZ_RUNS = "12000"  # of each target; no limit in time, which would make other inputs of a slower machine


def uapi_headers(report, required):
    """Our copy of the interface against the headers of the real kernel."""
    name = "uapi headers"
    start, log = report.step(name), log_path(name)
    with open(log, "wb") as file:
        status = subprocess.run([sys.executable, "scripts/uapi.py"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file,
                                stderr=subprocess.STDOUT).returncode
    with open(log, encoding="utf-8", errors="replace") as file:
        last = (file.read().strip().splitlines() or ["?"])[-1]
    if status == NO_HEADERS and not required:
        report.end(start, f"SKIP: {last}")
        report.skipped += 1
        return
    report.end(start, "ok" if status == 0 else "FAILED")
    report.count("the kernel's headers are required and are not there" if status == NO_HEADERS else name, status == 0, log)


def long_runs(report, preset, wrapper=()):
    """Thousands of operations by chance under traffic. The log of one that fails has its seed."""
    tool = os.path.join(ROOT, "build", preset, "sluice")
    for name, arguments in LONG_RUNS:
        report.check(f"{preset}: long run, {name}", [*wrapper, tool, "run", "long", "--ops", LONG_OPERATIONS, *arguments], LONG_SECONDS)


def try_mutants(report):
    for name, killed, what, seconds in mutants.run(mutants.part_of(mutants.all_mutants(), mutants.commit())):
        start = report.step(f"mutant {name}") - seconds
        report.end(start, what)
        report.count(f"mutant {name}", killed, None if killed else os.path.join(mutants.WORK, name + ".log"))


def fuzz(report):
    """The same inputs each time, and what the corpus reaches; the last line of the log says how much."""
    for name in FUZZED:
        command = [sys.executable, "scripts/fuzz.py", name, "--fresh", "--seed", "1", "--runs", FUZZ_RUNS]
        if report.check(f"fuzz {name}", command):
            with open(log_path(f"fuzz {name}"), encoding="utf-8", errors="replace") as file:
                print("    " + file.read().strip().splitlines()[-1], flush=True)


def consumer(report):
    """A project outside the tree that finds the installed libraries."""
    if not os.path.isfile(os.path.join(ROOT, "tests", "install", "CMakeLists.txt")):
        return
    prefix, folder = os.path.join(ROOT, "build", "install"), os.path.join(ROOT, "build", "consumer")
    script = (f"cmake --install build/release --prefix '{prefix}' && cmake -G Ninja -S tests/install -B '{folder}' "
              f"-DCMAKE_PREFIX_PATH='{prefix}' && cmake --build '{folder}' && '{folder}/consumer' && '{folder}/model'")
    report.check("consumer project", ["sh", "-c", script])


def main():
    parser = argparse.ArgumentParser(prog="run test", description=__doc__)
    parser.add_argument("--all", action="store_true", help="also what is slow: asan, explore, clang, fuzzing, all guests, mutants, a consumer project")
    parser.add_argument("--require-tsan", action="store_true", help="it is a failure if TSan cannot run; so with CI=true")
    parser.add_argument("--require-guest", action="store_true",
                        help="it is a failure if QEMU and a guest, or the kernel's headers, cannot be fetched; so with CI=true")
    options = parser.parse_args()
    os.makedirs(LOGS, exist_ok=True)
    # Where g++ 12's ASan looks for the size of a thread's storage may be no memory: it ends the process.
    os.environ.setdefault("ASAN_OPTIONS", "intercept_tls_get_addr=0")
    report = Report()

    report.check("lint", [sys.executable, "scripts/lint.py"])
    report.check("scripts", [sys.executable, "-m", "unittest", "discover", "-s", "tests/scripts", "-p", "*_test.py"])
    require_fetched = options.require_guest or os.environ.get("CI") == "true"
    uapi_headers(report, require_fetched)
    build(report, "release")
    shutil.rmtree(CONDITIONS, ignore_errors=True)
    os.environ["SLUICE_CONDITIONS"] = CONDITIONS
    ctest(report, "release")
    del os.environ["SLUICE_CONDITIONS"]
    report.check("docs/model.md", [sys.executable, "scripts/conditions.py", "--check", CONDITIONS])
    guest(report, ["all"] if options.all else ["nested", "model"], require_fetched)
    newer_qemu(report)
    qemu_differences(report, options.all, require_fetched)
    tsan = threads(report, options.require_tsan or os.environ.get("CI") == "true")
    bare_metal(report)
    if options.all:
        long_runs(report, "release")
        if tsan is not None and build(report, "tsan", "sluice"):
            long_runs(report, "tsan", tsan)
        build(report, "asan")
        ctest(report, "asan")
        long_runs(report, "asan")
        build(report, "explore", "explore-tests")
        ctest(report, "explore", "-L", "explore")
        consumer(report)
        fuzz(report)
        build(report, "clang", *EVERY_HEADER)
        ctest(report, "clang")
        try_mutants(report)

    for failure in report.failures:
        print(f"FAILED: {failure}")
    print(f"{report.passed} passed, {report.failed} failed" + (f", {report.skipped} skipped" if report.skipped else ""))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
