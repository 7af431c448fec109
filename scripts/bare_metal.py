#!/usr/bin/env python3
"""Boots ports/aarch64 in stock QEMU and looks at what it prints. Then boots it with faults planted, in a copy of the
program or in the machine: each must make it say what is wrong. Needs build/aarch64 and QEMU."""

import os
import re
import struct
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ELF = os.path.join(ROOT, "build", "aarch64", "sluice-aarch64.elf")
SECONDS = 60
STEPS = ["SMMU", "PCI", "DMA", "interrupt", "fault"]  # a line `PASS STEP: ...` each, then `PASS` alone
SMMU, EDU = ["-M", "virt,gic-version=3,iommu=smmuv3"], ["-device", "edu"]
RETURN_TRUE = struct.pack("<II", 0x52800020, 0xd65f03c0)  # mov w0, #1; ret

# What is planted: a function that does nothing, or a machine; and how the line begins that it must end with.
PLANTED = [
    ("TLBs are not invalidated", "sluice::driver::Invalidation::add(", SMMU + EDU, "FAIL unmapped memory stays"),
    ("records are not read", "sluice::driver::Smmu::read_events(", SMMU + EDU, "FAIL interrupts bring the record"),
    ("edu cuts addresses off", None, SMMU + ["-device", "edu,dma_mask=0xffff"], "FAIL each byte is in its place"),
    ("there is no edu", None, SMMU, "FAIL edu is on PCI bus 0"),
    ("there is no SMMU", None, ["-M", "virt,gic-version=3"] + EDU, "FAIL no exception"),
]


def wrong(output):
    """What is missing in, or bad about, the output of a run that ought to be good."""
    lines = [line.strip() for line in output.splitlines()]
    found = [line for line in lines if line.startswith("FAIL")]
    found += [f"no line 'PASS {step}: ...'" for step in STEPS if not any(line.startswith(f"PASS {step}: ") for line in lines)]
    return found + ([] if "PASS" in lines else ["no line 'PASS'"])


def boot(elf, machine):
    command = ["qemu-system-aarch64", *machine, "-cpu", "cortex-a57", "-m", "256M", "-display", "none", "-nodefaults",
               "-serial", "stdio", "-no-reboot", "-kernel", elf]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=SECONDS, text=True, errors="replace").stdout
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(errors="replace") + f"\nnot done after {SECONDS} s\n"
    except OSError as error:
        return f"{error}\n"


def place(elf, name):
    """Where in the file the one function is whose name begins so."""
    symbols = subprocess.run(["aarch64-linux-gnu-nm", "-C", elf], check=True, capture_output=True, text=True).stdout
    addresses = {int(line.split()[0], 16) for line in symbols.splitlines() if re.match(r"\w+ [TtW] " + re.escape(name), line)}
    if len(addresses) != 1:
        raise LookupError(f"{len(addresses)} functions {name}...) in {elf}; expected: one")
    address = addresses.pop()
    with open(elf, "rb") as file:
        image = file.read()
    table, size, count = struct.unpack_from("<Q", image, 32)[0], *struct.unpack_from("<HH", image, 54)
    for start in range(table, table + size * count, size):
        kind, _, offset, virtual, _, length = struct.unpack_from("<IIQQQQ", image, start)
        if kind == 1 and virtual <= address < virtual + length:  # PT_LOAD
            return offset + address - virtual
    raise LookupError(f"{name}...) is not in {elf}")


def without(elf, name, copy):
    """A copy of the program in which the function only answers true."""
    with open(elf, "rb") as file:
        image = bytearray(file.read())
    at = place(elf, name)
    image[at:at + len(RETURN_TRUE)] = RETURN_TRUE
    with open(copy, "wb") as file:
        file.write(image)
    return copy


def main():
    output = boot(ELF, SMMU + EDU)
    print(output)
    problems = wrong(output)
    for what, function, machine, expected in PLANTED:
        elf = without(ELF, function, ELF + ".planted") if function else ELF
        output = boot(elf, machine)
        last = (output.strip().splitlines() or ["nothing"])[-1]
        noticed = bool(wrong(output)) and last.startswith(expected)
        print(f"planted, {what}: {last}")
        problems += [] if noticed else [f"planted, {what}: it ended with '{last}'; expected: '{expected}...'"]
    print("\n".join(problems + [f"bare metal: {len(STEPS)} steps, {len(PLANTED)} planted faults, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
