#!/usr/bin/env python3
"""Builds a guest's initramfs: busybox, the kernel modules that are named, and an /init script.

usage: initramfs.py CACHE INIT OUT [MODULE ...]    CACHE is a folder that fetch.sh has filled
"""
import gzip
import lzma
import pathlib
import sys


def entry(inode, name, mode, data=b"", rdev=(0, 0)):
    """One member of a "newc" cpio archive."""
    path = name.encode() + b"\0"
    fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(path), 0]
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + path
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def module(cache, name):
    found = list(cache.glob(f"modules/**/{name}.ko*"))
    if not found:
        sys.exit(f"initramfs: the kernel has no module {name}")
    data = found[0].read_bytes()
    return lzma.decompress(data) if found[0].suffix == ".xz" else data


def main():
    cache, init, out, *modules = sys.argv[1:]
    cache = pathlib.Path(cache)
    folder, regular, device = 0o040755, 0o100755, 0o020600
    members = [(d, folder, b"", (0, 0)) for d in ("bin", "dev", "proc", "sys", "tmp", "modules")]
    members.append(("dev/console", device, b"", (5, 1)))
    members.append(("bin/busybox", regular, (cache / "busybox").read_bytes(), (0, 0)))
    members += [(f"modules/{m}.ko", regular, module(cache, m), (0, 0)) for m in modules]
    members.append(("init", regular, pathlib.Path(init).read_bytes(), (0, 0)))
    archive = b"".join(entry(i + 1, *m) for i, m in enumerate(members)) + entry(0, "TRAILER!!!", 0)
    pathlib.Path(out).write_bytes(gzip.compress(archive, 1))


main()
