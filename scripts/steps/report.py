"""How the steps of `./run test` are counted and told."""

import os
import re
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, "build", "logs")
TAIL = 40  # lines of a log that a failure shows


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

    def checks(self, start, name, checks, where, also=""):
        """Counts {label, holds, seen} of one step, each as one test. How many do not hold."""
        wrong = [(label, seen) for label, holds, seen in checks if not holds]
        self.passed += len(checks) - len(wrong)
        self.failed += len(wrong)
        self.end(start, f"{len(checks) - len(wrong)} passed, {len(wrong)} failed{also}")
        if wrong:
            self.fail(f"{name}: " + ", ".join(label for label, _ in wrong[:5]), None, [f"{label}: {seen}" for label, seen in wrong])
            print(f"    {where}", flush=True)
        return len(wrong)

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
