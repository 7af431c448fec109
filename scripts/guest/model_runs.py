"""The runs in which the guest's own driver has to do with our SMMU: `sluice serve` instead of `sluice exec`."""

import dataclasses
import pathlib
import subprocess
import typing

import checks
import device_tree
import model_checks
import runs

RNG, COPY = "0000:00:04.0", "0000:00:05.0"
HERE = pathlib.Path(__file__).resolve().parent
# 4 GiB from 0x40000000 on: QEMU, which knows of no SMMU, looks in there for the IOVAs of a vhost-user device's rings.
RAM = "size=4G,mem-path={ram},share=on"


def user_program(folder, name):
    """A driver in the guest's user space, built for it."""
    program = folder / name
    subprocess.run(["aarch64-linux-gnu-gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", program,
                    HERE / f"{name}.c"], check=True, capture_output=True, timeout=60)
    return program


@dataclasses.dataclass
class ModelRun(runs.Run):
    machine: tuple = ("-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "4G")
    functions: tuple = (RNG,)  # those whose bytes are marked
    modules: tuple = ("virtio-rng", "vfio", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci")
    kinds: tuple = ()  # optional lines of the device tree
    bytes: int = 16384
    append: str = f" sluice.vfio={COPY}"
    faults: tuple = ("stale", "walk", "cd", "atc")
    can_do_without: bool = False

    def programs(self, folder):
        return tuple(user_program(folder, name) for name in ("vfio_copy", "vfio_rng"))

    def command(self, sluice, cache, folder, _socket):
        qemu = cache / "qemu/usr/bin/qemu-system-aarch64"
        words = list(self.machine)
        dump = [sluice, "serve", "--", qemu, *words]
        tree = device_tree.device_tree(lambda out: device_tree.dumping(dump, out), folder, self.kinds)
        words[words.index("-M") + 1] += ",memory-backend=ram"
        return [sluice, "serve", "--report", folder / "report.json", "--frame", hex(device_tree.FRAME),
                *(("--machine", folder / "machine.json") if self.description else ()), *self.exec_options,
                "--", qemu, *words, "-object", f"memory-backend-file,id=ram,{RAM}", "-dtb", tree, *self.qemu]


def machine(**features):
    """A machine file, of which `sluice serve` takes the SMMU."""
    return {"smmus": [{"features": features}], "functions": [{"address": RNG}]}


SERVED = ("--rng", f"rng0={RNG}", "--copy", f"copy0={COPY}")
DEVICES = (*runs.BASE, "-no-reboot", "-chardev", "socket,id=qtest,fd={qtest}",
           "-object", "qtest,id=qtest0,chardev=qtest,log=/dev/null",
           # Without vectors: QEMU would write messages to the guest's IOVAs as if they were physical addresses.
           "-chardev", "socket,id=rng0,fd={rng0}", "-device", "vhost-user-rng-pci,chardev=rng0,vectors=0,addr=4,iommu_platform=on",
           "-device", '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"{copy0}"},"addr":"5"}')
STEPS = ("devices", "smmu", "read", "vfio", "indirect")
CHECKS = (
    ("guest", checks.guest_ended), ("probe", model_checks.probed), ("read", checks.bytes_of("read")),
    ("delivered", checks.delivered), ("features", model_checks.negotiated), ("tables", model_checks.by_tables), ("translated", model_checks.translated),
    ("copies", model_checks.copied), ("remapped", model_checks.remapped),
    ("read-only", model_checks.refused("readonly", "write_aborted", "F_PERMISSION")),
    ("unmapped", model_checks.refused("unmapped", "read_aborted", "F_TRANSLATION")), ("events", model_checks.events),
    ("stale", model_checks.nothing_stale), ("stale uses", model_checks.no_stale_use), ("software", model_checks.software_faults),
    ("commands", model_checks.commands), ("guest's log", checks.guest_content))


def model_run(name, about, what, **more):
    return ModelRun(name, about, DEVICES, STEPS, (*CHECKS, *what), exec_options=SERVED, firmware=False, **more)


POLLED = (("CMD_SYNC", model_checks.polled), ("interrupts", model_checks.wired))
ATS = (("ATS", model_checks.translations_on), ("ATC", model_checks.by_atc), ("ATC_INV", model_checks.atc_invalidated),
       ("PASID", model_checks.refused("pasid", "read_aborted", "C_BAD_CD", "ssid: 0x5 ")))
MODEL = model_run("model", "the guest's own driver on our SMMU: ATS and PASIDs, polling, wired interrupts", (*ATS, *POLLED),
                  kinds=("ATS",), description=machine(ats=True, substreamid_bits=8))
MESSAGES = model_run("model-msi", "the same without ATS, with MSIs of the SMMU",
                     (("CMD_SYNC", model_checks.by_message), ("interrupts", model_checks.messages)),
                     kinds=("MSI",), description=machine(msi=True))


def broken(fault, *caught_by):
    run = dataclasses.replace(MODEL, name=f"model-{fault}", about=f"the planted fault '{fault}' is found", caught_by=caught_by,
                              patience=3)
    run.exec_options = (*run.exec_options, "--break", fault)
    return run


ALL = (MODEL, MESSAGES, broken("stale", "remapped", "unmapped", "stale", "stale uses"), broken("walk", "read", "copies"),
       broken("cd", "read", "copies"), broken("atc", "remapped", "unmapped", "stale uses", "ATC_INV"))
EVERY = (*runs.ALL, *ALL)
BY_NAME: typing.Dict[str, runs.Run] = {run.name: run for run in EVERY}


def is_spoiled(name):
    return name == "all" or bool({"--break", "--without"} & set(BY_NAME[name].exec_options))
