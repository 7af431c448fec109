"""The device tree of a guest whose SMMU is ours: QEMU's own with an overlay."""

import pathlib
import re
import subprocess

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
