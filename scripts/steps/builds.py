"""Builds of presets, and their tests."""

import glob
import os
import xml.etree.ElementTree as xml

from steps.report import LOGS, ROOT, execute, log_path

JOBS = str(os.cpu_count() or 2)
EVERY_HEADER = ["all", "all_verify_interface_header_sets"]  # also each header alone
TSAN_ADVICE = ("ThreadSanitizer does not run on this kernel, neither plain nor under `setarch -R`; it needs the sysctl "
               "vm.mmap_rnd_bits at 28 or less, or kernel.randomize_va_space=0")


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
    """How TSan runs here, or None if it does not."""
    name = "tsan"
    wrapper = tsan_wrapper()
    if wrapper is None:
        print(f"{name:34} SKIP: {TSAN_ADVICE}", flush=True)
        if required:
            report.count("tsan is required and did not run", False)
        else:
            report.skipped += 1
        return None
    build(report, "tsan", "threads-tests")
    ctest(report, "tsan", "-L", "threads", wrapper=wrapper)
    return wrapper
