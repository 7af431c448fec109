"""A guest's initramfs, and its root disk: busybox, the kernel modules that are named, and the /init script."""

import gzip
import lzma
import os
import pathlib
import shutil
import subprocess

FOLDERS = ("bin", "dev", "proc", "sys", "tmp", "root", "modules")
DISK_MIB = 16


def entry(inode, name, mode, data=b"", rdev=(0, 0)):
    """One member of a "newc" cpio archive."""
    path = name.encode() + b"\0"
    fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(path), 0]
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + path
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def module(cache, name):
    found = list(cache.glob(f"modules/**/{name}.ko*"))
    if not found:
        raise OSError(f"the guest's kernel has no module {name}")
    data = found[0].read_bytes()
    return lzma.decompress(data) if found[0].suffix == ".xz" else data


def initramfs(cache, init, out, modules, programs=()):
    """CACHE is a folder that fetch.sh has filled. The modules are loaded in the order given; programs are files for /bin."""
    folder, program, device = 0o040755, 0o100755, 0o020600
    members = [(d, folder, b"", (0, 0)) for d in FOLDERS]
    members.append(("dev/console", device, b"", (5, 1)))
    members.append(("bin/busybox", program, (cache / "busybox").read_bytes(), (0, 0)))
    members += [(f"modules/{m}.ko", program, module(cache, m), (0, 0)) for m in modules]
    members.append(("modules/order", program, "\n".join(modules).encode(), (0, 0)))
    members += [(f"bin/{p.name}", program, p.read_bytes(), (0, 0)) for p in programs]
    members.append(("init", program, pathlib.Path(init).read_bytes(), (0, 0)))
    archive = b"".join(entry(i + 1, *m) for i, m in enumerate(members)) + entry(0, "TRAILER!!!", 0)
    pathlib.Path(out).write_bytes(gzip.compress(archive, 1))


def root_disk(cache, init, out):
    """A raw ext4 image with busybox and the same script."""
    mke2fs = shutil.which("mke2fs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if mke2fs is None:
        raise OSError("mke2fs is missing (Debian package e2fsprogs)")
    tree = pathlib.Path(f"{out}.tree")
    shutil.rmtree(tree, ignore_errors=True)
    for folder in FOLDERS:
        (tree / folder).mkdir(parents=True)
    shutil.copy(cache / "busybox", tree / "bin/busybox")
    shutil.copy(init, tree / "init")
    (tree / "init").chmod(0o755)
    pathlib.Path(out).unlink(missing_ok=True)
    subprocess.run([mke2fs, "-q", "-t", "ext4", "-d", tree, out, f"{DISK_MIB}M"], check=True, capture_output=True)
    shutil.rmtree(tree)
