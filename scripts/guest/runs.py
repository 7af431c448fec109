"""The runs: each is one start of QEMU on a machine of ours, what the guest does, and what has to hold."""

import dataclasses
import typing

import boot
import checks

FIRST, SECOND, THIRD = "0000:00:03.0", "0000:00:04.0", "0000:00:05.0"
BASE = ("-display", "none", "-nodefaults", "-monitor", "none", "-serial", "stdio")
IOMMUFD = ("-object", "iommufd,id=iommufd0")
PLAIN_MODULES = ("virtio-rng",)
# The report's guest has its drivers built in and finds its root on a virtio disk.
DISK_MODULES = ("virtio_blk", "crc16", "mbcache", "jbd2", "ext4", "scsi_common", "scsi_mod", "virtio_scsi", "virtio-rng")


def options(text):
    return tuple(text.split())


def smmu(index, bus):
    """A virtual SMMU for what is below a root bus of its own."""
    return options(f"-device pxb-pcie,id=pcie.{index},bus_nr={bus},bus=pcie.0 "
                   f"-device arm-smmuv3,primary-bus=pcie.{index},id=smmuv3.{index},accel=on")


def device(index, bus, what):
    return options(f"-device pcie-root-port,id=rp{index},bus={bus},chassis={index} "
                   f"-device vfio-pci,bus=rp{index},{what},id=vf{index},iommufd=iommufd0")


@dataclasses.dataclass
class Run:
    name: str
    about: str
    qemu: tuple
    steps: tuple
    checks: tuple  # (name, function)
    machine: tuple = ("-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "512")
    functions: tuple = (FIRST,)  # those that the guest is given
    firmware: bool = True  # a virtual SMMU with accel=on wants UEFI
    description: typing.Optional[dict] = None  # the machine file, if it is not the default machine
    exec_options: tuple = ()
    record: bool = False
    modules: tuple = PLAIN_MODULES
    append: str = ""
    disk: bool = False
    qtest: bool = False
    on_pause: typing.Optional[typing.Callable] = None
    bytes: int = 65536
    patience: int = 20  # seconds that the guest waits for a read
    other_sources: int = 0  # entropy sources that are not ours
    seconds: int = 90
    caught_by: tuple = ()  # a planted fault: the checks that have to fail
    faults: tuple = ("tlbi", "s1", "s2", "walk")  # that can be planted
    can_do_without: bool = True

    def programs(self, _folder):
        """Files that the guest has besides busybox."""
        return ()

    def command(self, sluice, cache, folder, socket):
        """What is started, up to what any guest's QEMU has to be told."""
        words = [sluice, "exec", "--report", folder / "report.json", *self.exec_options]
        if self.description:
            words += ["--machine", folder / "machine.json"]
        if self.record:
            words += ["--record", folder / "calls.jsonl"]
        words += ["--", cache / "qemu/usr/bin/qemu-system-aarch64", *self.machine]
        if self.firmware:
            words += ["-bios", cache / "efi"]
        words += self.qemu
        if socket:
            words += ["-qtest", f"unix:{socket},server=on,wait=off", "-qtest-log", "/dev/null"]
        return words


READ = (("guest", checks.guest_ended), ("read", checks.bytes_of("read")), ("delivered", checks.delivered))
STAGES = (("stages", checks.both_stages), ("by itself", checks.not_by_luck), ("refused", checks.refused_as_asked))
NESTED = (*STAGES, ("firmware", checks.firmware))
END = (("stale", checks.nothing_stale), ("driver", checks.driver_content), ("guest's log", checks.guest_content),
       ("left behind", checks.nothing_left))
REBIND = (("rebind", checks.rebound), ("after rebind", checks.bytes_of("rebind")),
          ("rescan", checks.rescanned), ("after rescan", checks.bytes_of("rescan")))
FAULTS = (("fault", checks.fault_reported), ("after fault", checks.bytes_of("fault")), ("repeat", checks.repeat_refused))

ONE = (*BASE, *IOMMUFD, *smmu(1, 8), *device(1, "pcie.1", f"host={FIRST}"))

NESTED_RUN = Run(
    "nested", "a device behind a virtual SMMU", ONE,
    ("devices", "read", "interrupts", "rebind", "rescan", "fault", "repeat"),
    (*READ, *NESTED, ("interrupts", checks.intx), *REBIND, *FAULTS, *END))

PLAIN = Run(
    "plain", "the same device without a virtual SMMU: the host's table only",
    (*BASE, *IOMMUFD, *device(1, "pcie.0", f"host={FIRST}")),
    ("devices", "read", "interrupts", "rebind", "rescan", "fault"),
    (*READ, ("stages", checks.one_stage), ("interrupts", checks.intx), *REBIND, ("fault", checks.fault_refused),
     ("after fault", checks.bytes_of("fault")), ("guest's log", checks.guest_content), ("left behind", checks.nothing_left)),
    firmware=False)

THREE = Run(
    "three", "two devices behind one SMMU and a third behind another, descriptors given with fd=, and a reboot",
    (*BASE, *options("-object iommufd,id=iommufd0,fd=10"), *smmu(1, 8), *smmu(2, 16), *device(1, "pcie.1", "fd=11"),
     *device(2, "pcie.1", "fd=12"), *device(3, "pcie.2", "fd=13")),
    ("reboot", "devices", "read", "interrupts", "fault", "repeat"),
    (("reboot", checks.rebooted), *READ, *NESTED, ("interrupts", checks.intx), *FAULTS, ("one SMMU", checks.same_smmu),
     ("two SMMUs", checks.two_smmus), *END),
    functions=(FIRST, SECOND, THIRD), record=True, bytes=16384, seconds=150,
    description={"smmus": [{}, {}], "functions": [{"address": FIRST}, {"address": SECOND}, {"address": THIRD, "smmu": 1}]},
    exec_options=options(f"--fd 10=iommu --fd 11={FIRST} --fd 12={SECOND} --fd 13={THIRD}"))

# Option by option what the report's command line has; README says why where one is another. UEFI takes QEMU's own entropy source.
REPORT = Run(
    "report", "the devices of the report behind this project",
    options("-nographic -nic none -drive file=DISK,if=none,id=disk0,format=raw -device virtio-blk-pci,drive=disk0,bus=pcie.0 "
            "-object rng-random,filename=/dev/urandom,id=rng0 -device virtio-rng-pci,rng=rng0 "
            "-device virtio-scsi-pci,id=scsi0 -object iommufd,id=iommufd0 -device pxb-pcie,id=root,bus_nr=8,bus=pcie.0 "
            "-device arm-smmuv3,primary-bus=root,id=smmu,accel=on -device ioh3420,id=pcie.1,chassis=1,bus=root "
            f"-device vfio-pci,host={FIRST},iommufd=iommufd0,bus=pcie.1"),
    ("devices", "read", "interrupts", "fault"),
    (*READ, *STAGES, ("interrupts", checks.intx), ("devices", checks.root_disk), ("fault", checks.fault_reported), *END),
    machine=options("-M virt -machine virt,gic-version=3 -cpu cortex-a53,pmu=off -smp 1 -m 2048"),
    modules=DISK_MODULES, append=" rootwait root=/dev/vda", disk=True, other_sources=1, bytes=16384)

WITHOUT = Run(
    "without", "the report's failure: a driver without cache_invalidate", ONE, ("devices",),
    (("guest", checks.guest_ended), ("answer", checks.refused_by_name), ("explained", checks.explained),
     ("CMD_SYNC", checks.sync_timed_out), ("left behind", checks.nothing_left)),
    exec_options=("--without", "cache_invalidate"), record=True)

EMPTIED = Run(
    "emptied", "the guest's stage 1 table is emptied behind its back", ONE, ("read", "pause", "read"),
    (("guest", checks.guest_ended), ("read fails", checks.read_fails), ("by itself", checks.not_by_luck),
     ("left behind", checks.nothing_left)),
    record=True, qtest=True, on_pause=boot.empty_stage1_table, bytes=4096, patience=3)

# The endpoint's own table and enable bit: QEMU takes no part in its messages, and a GICv2m takes them from anybody.
MESSAGES = Run(
    "messages", "the endpoint's own MSI-X, whose messages go through both stages", ONE,
    ("devices", "read", "interrupts", "rebind", "rescan"),
    (*READ, *STAGES, ("interrupts", checks.messages), *REBIND, *END),
    machine=("-M", "virt,gic-version=2", "-cpu", "cortex-a57", "-m", "512"), qtest=True, bytes=16384,
    exec_options=("--messages", "QTEST"),
    description={"smmus": [{}], "functions": [{"address": FIRST, "msix": "disguised"}]})

REFUSED = Run(
    "msix", "MSI-X behind a virtual SMMU under TCG", ONE, (),
    (("refused", checks.refused_at_start("MSI-X")),),
    description={"smmus": [{}], "functions": [{"address": FIRST, "msix": "plain"}]})


def broken(fault, *caught_by, seconds=90):
    return Run(f"break-{fault}", f"the planted fault '{fault}' is found", ONE, ("read", "repeat"),
               (*READ, *NESTED, ("repeat", checks.repeat_refused), *END), exec_options=("--break", fault), bytes=4096,
               patience=3, caught_by=caught_by, seconds=seconds)


# The longest first: two are under way at a time. Without stage 2 it is UEFI that waits for the device, for ever.
ALL = (THREE, WITHOUT, NESTED_RUN, REPORT, PLAIN, MESSAGES, EMPTIED, broken("tlbi", "stale"), broken("s1", "stages", "refused"),
       broken("s2", "refused", seconds=15), broken("walk", "refused"), REFUSED)
