"""The core as a port without an operating system gets it."""

import os
import re
import subprocess
import sys

from steps.builds import EVERY_HEADER, build
from steps.report import LOGS, ROOT, execute, log_path

CROSS = "aarch64-linux-gnu-"
# All that a port has to bring along. design.md, "The house".
CORE_MAY_NEED = {"memcpy", "memset", "memmove", "memcmp", "__cxa_pure_virtual"}
# Some of the names for printing, which cost a port its memory for nothing.
NAMES = ["S1ContextPtr", "STRTAB_BASE", "CMD_SYNC", "CFGI_STE", "F_TRANSLATION", "C_BAD_STREAMID", "CERROR_ILL"]
METAL_SECONDS = 300


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
