"""What has to hold of a run. Each check is a function of what was seen, and gives (holds, what was seen, in words)."""

import re

import marked

HWRNG_STEPS = ("read", "rebind", "rescan", "fault")
HOOK_IOVA = "0xad0000beef"  # where step_fault of the guest's script reads


class Seen:
    def __init__(self, run, boot):
        self.run, self.boot = run, boot
        self.account = boot.account() or {}
        self.functions = self.account.get("functions", [])
        self.used = [f for f in self.functions if f["address"] in run.functions]
        self.smmus = self.account.get("smmus", [])
        self.pieces = {}  # by step: what each source gave

    def read(self, step):
        if step not in self.pieces:
            self.pieces[step] = [(line, marked.Piece(line.data())) for line in self.boot.of(step) if line["source"]]
        return self.pieces[step]

    def sum(self, *path, of=None):
        total = 0
        for value in self.used if of is None else of:
            for key in path:
                value = value[key]
            total += value
        return total

    def events(self, step):
        return [line["log"].replace("~", " ") for line in self.boot.of(step) if line["log"]]


def plural(count, noun):
    return f"{count} {noun}" + ("" if count == 1 else "s")


def guest_ended(seen):
    boot = seen.boot
    if boot.ended and boot.status == 0 and not boot.fault:
        kernel = (boot.of("kernel") or [None])[0]
        return True, f"Linux {kernel['release']}, {kernel['mib']} MiB, {boot.seconds:.1f} s" if kernel else f"{boot.seconds:.1f} s"
    return False, boot.fault or f"QEMU's exit status {boot.status}, the guest was at '{boot.now}'"


def bytes_of(step):
    """Every byte that the guest read was made by the endpoint that the mark names."""
    def check(seen):
        ours, others, wrong = {}, 0, []
        for line, piece in seen.read(step):
            if line["source"] and piece.name is None and not line["failed"] and seen.run.other_sources:
                others += 1
                continue
            if line["failed"] or piece.fault:
                wrong.append(f"{line['source']}: " + (piece.fault or "") if not line["failed"] else
                             f"{line['source']}: the read ended after {line['bytes'] or 0} bytes")
                continue
            in_guest, size = int(line["marked"]), int(line["bytes"])
            if in_guest < len(piece.numbers) - 2:
                wrong.append(f"{line['source']}: the guest found {in_guest} whole lines, the host {len(piece.numbers)}")
            ours[piece.name] = ours.get(piece.name, 0) + size
        expected = {f["name"] for f in seen.used}
        if set(ours) != expected and not wrong:
            wrong.append(f"marks of {sorted(ours)}; expected {sorted(expected)}")
        if others != seen.run.other_sources and not wrong:
            wrong.append(f"{plural(others, 'source')} without marks; expected {seen.run.other_sources}")
        text = ", ".join(f"{size} of {name}" for name, size in sorted(ours.items()))
        return not wrong, "; ".join(wrong) or f"{text}" + (f", beside {plural(others, 'source')} of QEMU's own" if others else "")
    return check


def delivered(seen):
    """What the guest read is part of what the endpoint gave, and that is its stream from the beginning."""
    wrong, text = [], []
    for f in seen.used:
        given = f["delivered"]
        end = max([p.end() for step in HWRNG_STEPS for _, p in seen.read(step) if p.name == f["name"]], default=0)
        if int(given["digest"], 16) != marked.digest(marked.stream(f["name"], given["bytes"])):
            wrong.append(f"{f['name']}: the digest of what it delivered is another")
        if end > given["bytes"]:
            wrong.append(f"{f['name']}: the guest read up to byte {end}, delivered were {given['bytes']}")
        text.append(f"{given['bytes']} in {plural(given['buffers'], 'buffer')} of {f['name']}")
    return bool(seen.used) and not wrong, "; ".join(wrong) or ", ".join(text) or "no account"


def both_stages(seen):
    """Each request is one that the model translated, by both stages once the guest has tables, and before by stage 2."""
    moved = seen.sum("dma", "bytes_read") + seen.sum("dma", "bytes_written")
    nested, second = seen.sum("nested", "bytes"), seen.sum("stage2", "bytes")
    other = seen.sum("stage1", "requests") + seen.sum("bypassed", "requests")
    given = seen.sum("delivered", "bytes")
    holds = moved == nested + second and other == 0 and nested > second and all(f["nested"]["bytes"] for f in seen.used)
    words = f"{moved} bytes moved, {given} of them delivered; {nested} by both stages, {second} by stage 2"
    return bool(seen.used) and holds, words + (f", {other} requests otherwise" if other else "")


def one_stage(seen):
    """Without a virtual SMMU there is the host's own table, and nothing else."""
    moved = seen.sum("dma", "bytes_read") + seen.sum("dma", "bytes_written")
    one = seen.sum("stage1", "bytes") + seen.sum("stage2", "bytes")
    other = seen.sum("nested", "requests") + seen.sum("bypassed", "requests")
    return moved == one > 0 and other == 0, f"{moved} bytes moved, {one} by the host's table alone" + (f", {other} requests otherwise" if other else "")


def not_by_luck(seen):
    """Without stage 1 none of the guest's IOVAs would have hit anything."""
    nested, looked, hit = (seen.sum(*p) for p in (("nested", "requests"), ("nested_looked_up",), ("nested_in_ioas",)))
    return 0 < nested <= looked and hit == 0, f"{looked} nested requests looked up, {hit} of their IOVAs mapped by the IOAS alone"


def firmware(seen):
    """UEFI uses the device too, while the virtual SMMU is in bypass."""
    count = seen.sum("stage2", "requests")
    return count > 0, f"{plural(count, 'request')} by stage 2 alone, before the guest had tables"


def refused_as_asked(seen):
    """Nothing is refused but what the test's own steps ask for in vain."""
    asked = [line for step in ("fault", "repeat") for line in seen.boot.of(step) if line["result"] == "aborted"]
    refused = seen.sum("dma", "faulted") + seen.sum("dma", "bus_aborts")
    return bool(seen.used) and refused == len(asked), f"{plural(refused, 'request')} refused, {len(asked)} as asked for"


def intx(seen):
    lines = [line for line in seen.boot.of("interrupt") if "virtio" in line["kind"] and "Level" in line["kind"]]
    heard, raised, messages = sum(int(line["count"] or 0) for line in lines), seen.sum("interrupts"), seen.sum("messages")
    return heard > 0 and raised > 0 and messages == 0, f"{heard} heard on {plural(len(lines), 'line')} by the guest so far, {raised} raised, {messages} messages"


def messages(seen):
    lines = [line for line in seen.boot.of("interrupt") if "MSI" in line["kind"]]
    heard, sent = sum(int(line["count"] or 0) for line in lines), seen.sum("messages")
    wires = [line for line in seen.boot.of("interrupt") if "Level" in line["kind"]]
    return sent >= heard > 0 and not wires, f"{heard} heard of {plural(len(lines), 'vector')} by the guest so far, {sent} messages sent" + (", and a wire" if wires else "")


def rebound(seen):
    lines = seen.boot.of("rebind")
    count, bound = (int(lines[0][k] or 0) for k in ("functions", "bound")) if lines else (0, 0)
    return count > 0 and bound == 6 * count, f"{plural(count, 'function')}, {bound} of {6 * count} times bound again"


def rescanned(seen):
    lines = seen.boot.of("rescan")
    count, done = (int(lines[0][k] or 0) for k in ("functions", "done")) if lines else (0, 0)
    return count > 0 and done == 2 * count, f"{plural(count, 'function')} removed and found again: {done} of {2 * count} steps"


def rebooted(seen):
    boots = [line["boots"] for line in seen.boot.of("reboot")]
    return boots == ["1", "2"], f"boots: {' '.join(boots) or 'none'}"


def fault_reported(seen):
    """A request where nothing is mapped is refused, and the guest's own driver says so."""
    ends = {line["address"]: line["result"] for line in seen.boot.of("fault") if line["result"]}
    logs = seen.events("fault")
    events = [log for log in logs if "event: F_TRANSLATION" in log and HOOK_IOVA in log]
    named = [a for a in ends if any(f"client: {a} " in log for log in events)]
    reads = [log for log in logs if "data read s1" in log]
    holds = ends and all(r == "aborted" for r in ends.values()) and len(named) == len(reads) == len(ends) == len(seen.used)
    return bool(holds), (events[0].split("event: ", 1)[1] if events else "no line of the guest's") + f"; requests: {' '.join(ends.values()) or 'none'}"


def fault_refused(seen):
    ends = [line["result"] for line in seen.boot.of("fault") if line["result"]]
    events = seen.sum("driver", "events", of=seen.smmus)
    return bool(ends) and set(ends) == {"aborted"} and events >= len(ends), f"requests: {' '.join(ends)}; {plural(events, 'event')} at the host's driver"


def repeat_refused(seen):
    """What the guest has unmapped is not there any more when the device writes there once again."""
    ends = [line["result"] for line in seen.boot.of("repeat") if line["result"]]
    logs = seen.events("repeat")
    holds = len(ends) == len(seen.used) and set(ends) == {"aborted"} and len([log for log in logs if "F_TRANSLATION" in log]) == len(ends)
    iovas = re.findall(r"iova: (0x[0-9a-f]+)", " ".join(logs))
    return holds, f"repeated deliveries: {' '.join(ends) or 'none'}" + (f" at {', '.join(iovas)}" if iovas else "")


def nothing_stale(seen):
    stale, audits = seen.account.get("stale", -1), seen.sum("audits", of=seen.smmus)
    first = [s for smmu in seen.smmus for s in smmu["first_stale"]]
    words = f"{stale} stale in {plural(audits, 'audit')}"
    return stale == 0 and audits > 0, words + (f", first: IOVA {first[0].get('iova', first[0].get('ipa'))} is still {first[0]['cached']}" if first else "")


def driver_content(seen):
    names = ("timeouts", "command_errors", "global_errors", "events_unhandled", "events_unknown", "event_overflows")
    wrong = {n: seen.sum("driver", n, of=seen.smmus) for n in names}
    if not seen.smmus:
        return False, "no account"
    commands = seen.sum("driver", "commands", of=seen.smmus)
    executed = seen.sum("model", "commands", of=seen.smmus)
    bad = ", ".join(f"{n} {v}" for n, v in wrong.items() if v)
    return not bad and commands == executed, bad or f"{commands} commands by the driver, {executed} by the SMMUs, none wrong"


def guest_content(seen):
    lines = [line["text"].replace("~", " ") for line in seen.boot.of("log")]
    failed = [f"{line['what']} {line['module'] or line['device']}" for line in seen.boot.of("failed")]
    return not lines and not failed, "; ".join(failed + lines[:1]) or "no complaint of its SMMU driver"


def nothing_left(seen):
    left = seen.account.get("left_behind", {})
    at_exit = seen.account.get("at_exit", {})
    kept = ", ".join(f"{k} {v}" for k, v in left.items() if v)
    holds = bool(left) and seen.account.get("torn_down") is True and not kept
    return holds, kept or f"{at_exit.get('descriptors')} descriptors and {at_exit.get('objects')} objects when QEMU ended, then nothing"


def two_smmus(seen):
    """Behind different virtual SMMUs the same IOVAs, each with tables of its own."""
    invalidated = {}
    for call in seen.boot.calls():
        if call.get("call") == "HWPT_INVALIDATE":
            words = [int(w, 16) for w in call.get("data", ())]
            for op, address in zip(words[::2], words[1::2]):
                if op & 0xff == 0x12:  # CMD_TLBI_NH_VA
                    invalidated.setdefault((call["iommufd"], call["request"]["hwpt_id"]), set()).add(address & ~0xfff)
    both = set.intersection(*invalidated.values()) if len(invalidated) > 1 else set()
    return len(seen.smmus) == 2 and bool(both), f"{plural(len(invalidated), 'vIOMMU')}, {plural(len(both), 'page')} mapped by all of them" + (f", one of them {min(both):#x}" if both else "")


def same_smmu(seen):
    shared = {}
    for f in seen.used:
        shared.setdefault(f["smmu"], []).append(f["name"])
    most = max(shared.values(), key=len, default=[])
    return len(most) > 1, f"{' and '.join(most)} behind one SMMU"


def explained(seen):
    text = seen.boot.stderr()
    said = [line for line in text.splitlines() if line.startswith("sluice:") and "EOPNOTSUPP" in line]
    return len(said) == 1, said[0] if said else "no explanation on stderr"


def refused_by_name(seen):
    """The VMM saw what a kernel without the operation should have said, and its process lives."""
    bad = [c for c in seen.boot.calls() if c.get("call") == "HWPT_INVALIDATE"]
    answers = {(c.get("errno"), c["answer"]["entry_num"]) for c in bad}
    return answers == {("EOPNOTSUPP", 0)}, f"{plural(len(bad), 'call')}, answers: " + ", ".join(f"{e or 'success'}, entry_num {n}" for e, n in sorted(answers, key=str))


def sync_timed_out(seen):
    lines = [line["text"] for line in seen.boot.of("log") if "CMD_SYNC~timeout" in line["text"]]
    return bool(lines), f"{len(lines)} times: {lines[0].replace('~', ' ').split(': ')[-1]}" if lines else "no line of the guest's"


def read_fails(seen):
    lines = [line for line in seen.boot.of("read") if line["source"]]
    before, after = lines[:1], lines[1:]
    heard = bool(seen.boot.of("pause")) and not seen.boot.fault
    holds = heard and len(after) == 1 and not before[0]["failed"] and after[0]["failed"] == "1"
    words = " then ".join(f"{line['bytes'] or 0} bytes" + (", failed" if line["failed"] else "") for line in lines)
    return bool(holds), seen.boot.fault or words or "no read"


def root_disk(seen):
    kernel = seen.boot.of("kernel")
    drivers = {line["id"]: line["driver"] for line in seen.boot.of("pci")}
    root = kernel[0]["root"] if kernel else ""
    wanted = {"1af4:1001": "virtio-pci", "1af4:1004": "virtio-pci", "8086:3420": "pcieport"}
    missing = [f"{i} {drivers.get(i, 'is not there')}" for i, d in wanted.items() if drivers.get(i) != d]
    return root == "ext4" and not missing, "; ".join(missing) or f"root on {root or 'nothing'}, virtio-blk, virtio-scsi and ioh3420 at work"


def refused_at_start(word):
    def check(seen):
        lines = [line for line in seen.boot.stderr().splitlines() if word in line]
        return seen.boot.status == 125 and bool(lines) and not seen.boot.lines, lines[0] if lines else f"exit status {seen.boot.status}"
    return check
