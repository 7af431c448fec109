#!/usr/bin/env python3
"""Builds and tests everything: what `./run test` runs. Ends with one line that counts passed, failed and skipped: each
test of each preset is one, and so is each further check. Nothing stops at the first failure; logs are in build/logs."""

import argparse
import glob
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import mutants

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "logs")
JOBS = str(os.cpu_count() or 2)
TAIL = 40  # lines of a log that a failure shows
CROSS = "aarch64-linux-gnu-"
# All that a port has to bring along. design.md, "The house".
CORE_MAY_NEED = {"memcpy", "memset", "memmove", "memcmp", "__cxa_pure_virtual"}
# Some of the names for printing, which cost a port its memory for nothing.
NAMES = ["S1ContextPtr", "STRTAB_BASE", "CMD_SYNC", "CFGI_STE", "F_TRANSLATION", "C_BAD_STREAMID", "CERROR_ILL"]
METAL_SECONDS = 300
GUEST_SECONDS = 1500  # the first time packages are fetched
NO_GUEST = 77  # scripts/guest/run.py
NO_HEADERS = 77  # scripts/uapi.py
NO_QEMU = 77  # tools/sluice/diff.hpp
DIFF_SEED = 1
DIFF_CASES = 1500  # of each QEMU, without --all
DIFF_SECONDS = 600
FUZZED = ["model"]  # the threads of the target iommufd have no order that repeats
FUZZ_RUNS = "12000"  # of each target; no limit in time, which would make other inputs of a slower machine
EVERY_HEADER = ["all", "all_verify_interface_header_sets"]  # also each header alone
TSAN_ADVICE = ("ThreadSanitizer does not run on this kernel, neither plain nor under `setarch -R`; it needs the sysctl "
               "vm.mmap_rnd_bits at 28 or less, or kernel.randomize_va_space=0")


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.start = time.monotonic()

    def step(self, name):
        print(f"{name:34}", end=" ", flush=True)
        return time.monotonic()

    def end(self, start, text):
        now = time.monotonic()
        print(f"{text}  ({now - start:.1f} s, at {now - self.start:.0f} s)", flush=True)

    def fail(self, name, log=None, names=()):
        """Says why now, and the least of it again at the end, which may be all that is read."""
        lines = []
        for test in names:
            print(f"    FAILED {test}")
        if log:
            with open(log, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        self.failures.append(": ".join([name, *([] if names else lines[-1:])]))
        if log:
            print("\n".join("    | " + line for line in lines[-TAIL:]))
            print(f"    the whole log is {os.path.relpath(log, ROOT)}", flush=True)

    def check(self, name, command, seconds=900):
        """One command that counts as one test."""
        start, log = self.step(name), log_path(name)
        good = execute(command, log, seconds)
        self.end(start, "ok" if good else "FAILED")
        self.count(name, good, log)
        return good

    def count(self, name, good, log=None):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            self.fail(name, log)


def log_path(name):
    return os.path.join(LOGS, re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") + ".log")


def execute(command, log, seconds):
    with open(log, "wb") as file:
        try:
            return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                  timeout=seconds).returncode == 0
        except subprocess.TimeoutExpired:
            file.write(f"\nnot done after {seconds} s\n".encode())
        except OSError as error:
            file.write(f"{error}\n".encode())
    return False


def build(report, preset, *targets):
    """Configures and builds; only a failure counts."""
    name = f"{preset}: build"
    start, log = report.step(name), log_path(name)
    good = execute(["cmake", "--preset", preset], log, 300)
    if good:
        # -k 0: what does not compile must not keep the other tests from being built and run.
        command = ["cmake", "--build", f"build/{preset}", *(["--target", *targets] if targets else []), "--", "-k", "0"]
        good = execute(command, log, 1800)
    report.end(start, "ok" if good else "FAILED")
    if not good:
        report.count(name, False, log)
    return good


def ctest(report, preset, *options, wrapper=(), what="tests"):
    """Runs and counts the tests of a preset. None at all is a failure where no option chooses a part of them."""
    name = f"{preset}: {what}"
    start, log = report.step(name), log_path(name)
    results = os.path.splitext(log)[0] + ".xml"
    if os.path.exists(results):
        os.remove(results)
    command = [*wrapper, "ctest", "--test-dir", f"build/{preset}", "-j", JOBS, "--output-on-failure", "--output-junit", results,
               "--no-tests=ignore" if options or not glob.glob(f"{ROOT}/tests/*/*.cpp") else "--no-tests=error", *options]
    good = execute(command, log, 1800)
    verdicts = {"passed": 0, "failed": [], "skipped": 0}
    try:
        for case in xml.parse(results).getroot().iter("testcase"):
            status = case.get("status")
            if case.get("name").endswith("_NOT_BUILT"):
                verdicts["failed"].append(case.get("name"))
            elif case.find("skipped") is not None or status == "disabled":
                verdicts["skipped"] += 1
            elif status == "run":
                verdicts["passed"] += 1
            else:
                verdicts["failed"].append(case.get("name"))
    except (OSError, xml.ParseError):
        good = False
    passed, failed, skipped = verdicts["passed"], verdicts["failed"], verdicts["skipped"]
    report.passed += passed
    report.skipped += skipped
    report.failed += len(failed)
    report.end(start, f"{passed} passed, {len(failed)} failed" + (f", {skipped} skipped" if skipped else ""))
    if failed:
        report.fail(f"{preset}: " + ", ".join(failed[:5]) + (" ..." if len(failed) > 5 else ""), log, failed)
    elif not good:
        report.count(name, False, log)
    return passed


def tsan_wrapper():
    """How TSan runs on this kernel: plain (), under setarch, or not at all (None)."""
    source, probe = os.path.join(LOGS, "tsan.cpp"), os.path.join(LOGS, "tsan-probe")
    with open(source, "w", encoding="utf-8") as file:
        file.write("int main() {}\n")
    if not execute(["g++", "-fsanitize=thread", "-o", probe, source], log_path("tsan: probe"), 60):
        return None
    for wrapper in ([], ["setarch", "-R"]):
        # Where memory is laid out is random, and so is whether TSan accepts it.
        if all(execute([*wrapper, probe], log_path("tsan: probe"), 10) for _ in range(20)):
            return wrapper
    return None


def threads(report, required):
    name = "tsan"
    wrapper = tsan_wrapper()
    if wrapper is None:
        print(f"{name:34} SKIP: {TSAN_ADVICE}", flush=True)
        if required:
            report.count("tsan is required and did not run", False)
        else:
            report.skipped += 1
        return
    build(report, "tsan", "threads-tests")
    ctest(report, "tsan", "-L", "threads", wrapper=wrapper)


def core_object(log):
    """The whole archive as one object: what is undefined in it is what a port has to bring."""
    output = os.path.join(LOGS, "core.o")
    archive = "build/aarch64/libsluice-core.a"
    return output if execute([CROSS + "ld", "-r", "--whole-archive", archive, "-o", output], log, 60) else None


def cross(*command):
    return subprocess.run([CROSS + command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True).stdout


def bare_metal(report):
    built = build(report, "aarch64", *EVERY_HEADER)
    if not os.path.exists(os.path.join(ROOT, "build/aarch64/libsluice-core.a")):
        return
    name = "aarch64: what the core needs"
    start, log = report.step(name), log_path(name)
    core = core_object(log)
    wrong = ["libsluice-core.a does not link"]
    if core:
        undefined = {line.split()[-1] for line in cross("nm", "-u", core).splitlines() if line.strip()}
        wrong = [f"undefined symbol {symbol}; expected: only {' '.join(sorted(CORE_MAY_NEED))}"
                 for symbol in sorted(undefined - CORE_MAY_NEED)]
        sections = set(re.findall(r"\s(\.(?:init_array|ctors|tdata|tbss)\S*)", cross("objdump", "-h", core)))
        wrong += [f"section {section}; expected: no static constructors, no thread-local data" for section in sections]
        strings = set(cross("strings", "-d", core).splitlines())
        wrong += [f"the string '{text}' in loaded data; expected: names for printing only in arch/names"
                  for text in sorted(strings) if any(known in text for known in NAMES)]
    with open(log, "a", encoding="utf-8") as file:
        file.write("\n".join(wrong) + "\n")
    report.end(start, "FAILED" if wrong else "ok")
    report.count(name, not wrong, log)

    if built and os.path.isdir(os.path.join(ROOT, "ports", "aarch64")):
        report.check("aarch64: on bare metal", [sys.executable, "scripts/bare_metal.py"], METAL_SECONDS)


def guest(report, runs, required):
    """Stock QEMU with a stock Linux guest on our machines. Each check of each run counts as one test."""
    name = f"guest: {', '.join(runs)}"
    start, log = report.step(name), log_path(name)
    results = os.path.join(LOGS, "guest.json")
    with open(results, "wb") as out, open(log, "wb") as errors:
        try:
            status = subprocess.run([sys.executable, "scripts/guest/run.py", *runs, "--json"], cwd=ROOT, stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=errors, timeout=GUEST_SECONDS).returncode
        except subprocess.TimeoutExpired:
            status = None
            errors.write(f"\nnot done after {GUEST_SECONDS} s\n".encode())
    if status == NO_GUEST:
        with open(log, encoding="utf-8", errors="replace") as file:
            why = (file.read().strip().splitlines() or ["?"])[-1]
        report.end(start, f"SKIP: {why}")
        if required:
            report.count("the guest is required and did not run", False, log)
        else:
            report.skipped += 1
        return
    try:
        with open(results, encoding="utf-8") as file:
            runs = json.load(file)["runs"]
    except (OSError, ValueError):
        report.end(start, "FAILED")
        report.count(name, False, log)
        return
    checks = [(f"guest {run['run']}: {check['name']}", check) for run in runs for check in run["checks"]]
    wrong = [(label, check["seen"]) for label, check in checks if not check["ok"]]
    report.passed += len(checks) - len(wrong)
    report.failed += len(wrong)
    report.end(start, f"{len(checks) - len(wrong)} passed, {len(wrong)} failed")
    if wrong:
        report.fail(f"{name}: " + ", ".join(label for label, _ in wrong[:5]), None, [f"{label}: {seen}" for label, seen in wrong])
        print("    logs are in build/guest", flush=True)
    elif status != 0:
        report.count(name, False, log)


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


def newer_qemu(report):
    """The driver's tests on QEMU's SMMU once more, on the guests' QEMU if it is there: that one has both stages."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sluice", "qemu")
    programs = glob.glob(f"{cache}/usr/bin/qemu-system-aarch64")
    loaders = glob.glob(f"{cache}/usr/lib64/ld-linux-x86-64.so.2")
    if not programs or not loaders:
        return  # why, the guest's step has said
    starter = os.path.join(LOGS, "qemu-of-the-guests")
    libraries = f"{cache}/usr/lib/x86_64-linux-gnu:{cache}/usr/lib64:{cache}/usr/lib"
    with open(starter, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec "{loaders[0]}" --library-path "{libraries}" "{programs[0]}" -L "{cache}/usr/share/qemu" "$@"\n')
    os.chmod(starter, 0o755)
    ctest(report, "release", "-L", "^qemu$", wrapper=["env", f"QEMU_SYSTEM_AARCH64={starter}"], what="tests on the guests' QEMU")


def qemu_differences(report, everything, required):
    """The model against QEMU's SMMUv3. Each check of each QEMU counts as one test, and so does each planted difference."""
    name = "model against QEMU"
    start, log = report.step(name), log_path(name)
    tool = [os.path.join(ROOT, "build", "release", "sluice"), "diff-qemu", "--seed", str(DIFF_SEED), "--json"]
    results = os.path.join(LOGS, "diff-qemu.json")
    with open(results, "wb") as out, open(log, "wb") as errors:
        try:
            status = subprocess.run(tool + ([] if everything else ["--cases", str(DIFF_CASES)]), cwd=ROOT, stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=errors, timeout=DIFF_SECONDS).returncode
        except (subprocess.TimeoutExpired, OSError) as error:
            status = None
            errors.write(f"\n{error}\n".encode())
    try:
        with open(results, encoding="utf-8") as file:
            qemus = json.load(file)["qemus"]
    except (OSError, ValueError):
        report.end(start, "FAILED")
        report.count(name, False, log)
        return
    checks = [(f"{name} ({qemu['qemu']}): {check['name']}", check) for qemu in qemus for check in qemu.get("checks", [])]
    checks += [(f"{name} ({qemu['qemu']}): {d['name']}", {"holds": d["ended_qemu"], "seen": "QEMU went on"})
               for qemu in qemus for d in qemu.get("departures", []) if "ended_qemu" in d]
    wrong = [(label, check["seen"]) for label, check in checks if not check["holds"]]
    absent = [f"{qemu['qemu']}: {qemu['absent']}" for qemu in qemus if "absent" in qemu]
    report.passed += len(checks) - len(wrong)
    report.failed += len(wrong)
    report.end(start, f"{len(checks) - len(wrong)} passed, {len(wrong)} failed" + "".join(f", SKIP {why}" for why in absent))
    if wrong:
        report.fail(f"{name}: " + ", ".join(label for label, _ in wrong[:5]), None, [f"{label}: {seen}" for label, seen in wrong])
        print(f"    the cases are in {os.path.relpath(results, ROOT)}", flush=True)
    elif status not in (0, NO_QEMU) or absent and required:
        report.count(f"{name}: " + ("; ".join(absent) or f"exit status {status}"), False, log)
    elif absent:
        report.skipped += 1
    for plant in ["permission", "level"] if everything else []:
        report.count(f"{name}: planted {plant}", planted_is_found(tool, plant))


def planted_is_found(tool, plant):
    done = subprocess.run([*tool, "--cases", str(DIFF_CASES), "--qemu", "installed", "--plant", plant], cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=DIFF_SECONDS)
    return done.returncode == 1 and bool(json.loads(done.stdout)["qemus"][0]["differences"])


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
    ctest(report, "release")
    guest(report, ["all"] if options.all else ["nested", "model"], require_fetched)
    newer_qemu(report)
    qemu_differences(report, options.all, require_fetched)
    threads(report, options.require_tsan or os.environ.get("CI") == "true")
    bare_metal(report)
    if options.all:
        build(report, "asan")
        ctest(report, "asan")
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
