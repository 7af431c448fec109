#!/usr/bin/env python3
"""The device tree of a guest whose SMMU is ours: QEMU's own with an overlay."""

import argparse
import pathlib
import re
import shutil
import subprocess
import tempfile

FRAME = 0x7f000000
HERE = pathlib.Path(__file__).resolve().parent
ITS = "/intc@8000000/its@8080000"


def tool(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, timeout=60).stdout


def overlay(text, its, kinds):
    """The overlay's source for one run; `kinds` are those of its optional lines that are wanted."""
    text = re.sub(r"^(ATS|MSI)\t", lambda line: "\t" if line[1] in kinds else "//\t", text, flags=re.MULTILINE)
    for word, value in (("FRAME_HEX", f"{FRAME:x}"), ("FRAME", f"{FRAME:#x}"), ("ITS", its)):
        text = re.sub(rf"\b{word}\b|(?<=@){word}", value, text)
    return text


def device_tree(qemu, folder, kinds):
    """QEMU is a command line that ends at once when the machine gets `dumpdtb`; the result is a file in FOLDER."""
    own, source, binary, whole = (folder / name for name in ("qemu.dtb", "smmu.dtso", "smmu.dtbo", "guest.dtb"))
    tool(*qemu(own))
    its = tool("fdtget", "-t", "x", own, ITS, "phandle").strip()
    source.write_text(overlay((HERE / "smmu.dtso").read_text(encoding="ascii"), f"0x{its}", kinds), encoding="ascii")
    tool("dtc", "-q", "-I", "dts", "-O", "dtb", "-o", binary, source)
    tool("fdtoverlay", "-i", own, "-o", whole, binary)
    return whole


def dumping(command, out):
    """QEMU's command line with `dumpdtb` for its machine."""
    machine = next((at + 1 for at, word in enumerate(command[:-1]) if word in ("-M", "-machine")), 0)
    if machine == 0:
        raise SystemExit("device_tree.py: the command line names no machine: -M virt,...")
    return [*command[:machine], f"{command[machine]},dumpdtb={out}", *command[machine + 1:], "-display", "none", "-nodefaults"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage="%(prog)s [--ats] [--msi] OUT.dtb -- QEMU ARGS...")
    parser.add_argument("--ats", action="append_const", dest="kinds", const="ATS", help="functions may use ATS")
    parser.add_argument("--msi", action="append_const", dest="kinds", const="MSI", help="the SMMU signals by messages")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("qemu", nargs="+", help="as the guest will be started: machine, processor and memory count")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            tree = device_tree(lambda out: dumping(options.qemu, out), pathlib.Path(folder), options.kinds or ())
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"device_tree.py: {error.stderr.strip() or error}") from None
        shutil.copyfile(tree, options.out)


if __name__ == "__main__":
    main()
