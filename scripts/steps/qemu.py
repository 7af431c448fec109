"""What runs on stock QEMU: guests, the driver's tests, and the comparison with its SMMUv3."""

import glob
import json
import os
import subprocess
import sys

from steps.builds import ctest
from steps.report import LOGS, ROOT, log_path

GUEST_SECONDS = 1500  # the first time packages are fetched
NO_GUEST = 77  # scripts/guest/run.py
NO_QEMU = 77  # tools/sluice/diff.hpp
DIFF_SEED = 1
DIFF_CASES = 1500  # of each QEMU, without --all
DIFF_SECONDS = 600


def run_for_json(command, name, seconds):
    """The exit status of what prints JSON, or None, and the data, or None; its messages are the log of the step."""
    results = os.path.join(LOGS, f"{name}.json")
    status = None
    with open(results, "wb") as out, open(log_path(name), "wb") as errors:
        try:
            status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, timeout=seconds).returncode
        except (subprocess.TimeoutExpired, OSError) as error:
            errors.write(f"\n{error}\n".encode())
    try:
        with open(results, encoding="utf-8") as file:
            return status, json.load(file)
    except ValueError:
        return status, None


def guest(report, runs, required):
    """Stock QEMU with a stock Linux guest on our machines. Each check of each run counts as one test."""
    name = f"guest: {', '.join(runs)}"
    start, log = report.step(name), log_path("guest")
    status, data = run_for_json([sys.executable, "scripts/guest/run.py", *runs, "--json"], "guest", GUEST_SECONDS)
    if status == NO_GUEST:
        with open(log, encoding="utf-8", errors="replace") as file:
            why = (file.read().strip().splitlines() or ["?"])[-1]
        report.end(start, f"SKIP: {why}")
        if required:
            report.count("the guest is required and did not run", False, log)
        else:
            report.skipped += 1
        return
    if data is None:
        report.end(start, "FAILED")
        report.count(name, False, log)
        return
    checks = [(f"guest {run['run']}: {check['name']}", check["ok"], check["seen"]) for run in data["runs"] for check in run["checks"]]
    if not report.checks(start, name, checks, "logs are in build/guest") and status != 0:
        report.count(name, False, log)


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
    start, log = report.step(name), log_path("diff-qemu")
    tool = [os.path.join(ROOT, "build", "release", "sluice"), "diff-qemu", "--seed", str(DIFF_SEED), "--json"]
    status, data = run_for_json(tool + ([] if everything else ["--cases", str(DIFF_CASES)]), "diff-qemu", DIFF_SECONDS)
    if data is None:
        report.end(start, "FAILED")
        report.count(name, False, log)
        return
    qemus = data["qemus"]
    checks = [(f"{name} ({qemu['qemu']}): {check['name']}", check["holds"], check["seen"])
              for qemu in qemus for check in qemu.get("checks", [])]
    checks += [(f"{name} ({qemu['qemu']}): {d['name']}", d["ended_qemu"], "QEMU went on")
               for qemu in qemus for d in qemu.get("departures", []) if "ended_qemu" in d]
    absent = [f"{qemu['qemu']}: {qemu['absent']}" for qemu in qemus if "absent" in qemu]
    wrong = report.checks(start, name, checks, "the cases are in build/logs/diff-qemu.json", "".join(f", SKIP {why}" for why in absent))
    if not wrong and (status not in (0, NO_QEMU) or absent and required):
        report.count(f"{name}: " + ("; ".join(absent) or f"exit status {status}"), False, log)
    elif not wrong and absent:
        report.skipped += 1
    for plant in ["permission", "level"] if everything else []:
        report.count(f"{name}: planted {plant}", planted_is_found(tool, plant))


def planted_is_found(tool, plant):
    done = subprocess.run([*tool, "--cases", str(DIFF_CASES), "--qemu", "installed", "--plant", plant], cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=DIFF_SECONDS)
    return done.returncode == 1 and bool(json.loads(done.stdout)["qemus"][0]["differences"])
