"""What has to hold of a run whose guest drives our SMMU. As checks.py: each gives (holds, what was seen, in words)."""

import checks
import marked


def function(seen, name):
    return {f["name"]: f for f in seen.functions}[name]


def smmu(seen):
    return seen.account["smmu"]


def said(seen, what):
    return [line for line in seen.boot.of("vfio") if line["what"] == what]


def probed(seen):
    """The stock driver has found the features and set up its queues."""
    logs = [line["log"].replace("~", " ") for line in seen.boot.of("smmu")]
    features = [log for log in logs if "(features 0x" in log]
    queues = [log for log in logs if "entries for" in log]
    return len(features) == 1 and len(queues) >= 2, features[0].split(": ", 1)[1] if features else "no line of the guest's"


def translated(seen):
    """Each access of the entropy source to ring, descriptor and buffer was translated by stage 1."""
    rng = function(seen, "rng0")
    dma, one = rng["dma"], rng["stage1"]
    made, moved = dma["reads"] + dma["writes"], dma["bytes_read"] + dma["bytes_written"]
    others = sum(rng[stages]["requests"] for stages in ("bypassed", "stage2", "nested"))
    buffers = rng["delivered"]["buffers"]
    # For each buffer: index, slot and descriptor read, the bytes, element and index written, flags read.
    holds = made == one["requests"] and moved == one["bytes"] and others == 0 and buffers > 0 and made >= 7 * buffers
    return holds, (f"{one['requests']} of {made} requests for {checks.plural(buffers, 'buffer')} by stage 1, {one['bytes']} bytes; "
                   f"{rng['translation']['walks']} descriptors read" + (f", {others} requests otherwise" if others else ""))


def negotiated(seen):
    """Features of the queue that Linux's own driver has accepted. It queues one buffer at a time, for which it makes no table."""
    bits = [line["features"] for line in seen.boot.of("device")]
    holds = bool(bits) and all(b[28:30] == "11" for b in bits)
    return holds, "indirect tables and the event index" if holds else f"the guest's bits: {' '.join(bits) or 'none'}"


def by_tables(seen):
    """A driver in user space puts its chains into indirect tables: the bytes are the endpoint's, in the order of the chain."""
    lines, tables = seen.boot.of("indirect"), function(seen, "rng0")["queue"]["tables"]
    if len(lines) != 1:
        return False, "nothing"
    line = lines[0]
    piece, rounds = marked.Piece(bytes.fromhex(line["data"])), int(line["rounds"])
    holds = rounds == int(line["good"]) == tables > 1 and not piece.fault and piece.name == "rng0" \
        and int(line["bytes"]) == len(line["data"]) // 2 == 32 * len(piece.numbers)
    return holds, piece.fault or f"{tables} of {rounds} used by the endpoint, {line['bytes']} bytes of {piece.name} in their order"


def copied(seen):
    lines = said(seen, "copy")
    good = [line for line in lines if line["result"] == "done" and line["wrong"] == "0" and int(line["bytes"]) > 4096]
    return len(lines) == len(good) == 1, " ".join(f"{line['bytes']} bytes from IOVA to IOVA, {line['wrong']} wrong, {line['result']}" for line in lines) or "no copy"


def remapped(seen):
    """Other memory behind the same IOVA, again and again: a translation that should be gone would show the last one's."""
    lines = said(seen, "remap")
    holds = len(lines) == 1 and int(lines[0]["rounds"]) == int(lines[0]["done"]) > 1 and lines[0]["wrong"] == "0"
    return holds, " ".join(f"{line['rounds']} times, {line['done']} copied, {line['wrong']} with other bytes" for line in lines) or "nothing"


def with_ats(seen):
    return "atc" in function(seen, "copy0")


def aborted_copies(seen, *, recorded_only):
    """3.9.1.2: an endpoint that has asked for a translation knows by the answer; only an untranslated access makes an event."""
    lines = [line for line in seen.boot.of("vfio") if line["result"].endswith("_aborted")]
    return [line for line in lines if line["mode"] == "untranslated" or not recorded_only or not with_ats(seen)]


def refused(what, result, event, words="iova: {iova} "):
    """The copy engine's access is aborted where it says, nothing changes, and the guest's driver prints the event."""
    def check(seen):
        lines = said(seen, what)
        changed = [line["changed"] for line in said(seen, "guarded")]
        expected = [line for line in aborted_copies(seen, recorded_only=True) if line["what"] == what]
        logs = [log for log in seen.events("vfio") if f"event: {event} client" in log]
        named = [log for log in logs if lines and words.format(iova=lines[0]["iova"]) in log + " "]
        holds = ([line["mode"] for line in lines] == 2 * ["default"] + 2 * ["untranslated"] and changed == ["0"]
                 and all(line["result"] == result and line["moved"] == "0" for line in lines) and len(named) == len(expected) > 0)
        seen_event = named[0].split("event: ", 1)[1] if named else "no event in the guest's log"
        return holds, "; ".join([*dict.fromkeys(f"{line['result']} at {line['iova']}" for line in lines), seen_event])
    return check


def events(seen):
    """As many events as refused accesses that make one, all of which the guest has printed."""
    aborted, s = function(seen, "copy0")["copy"]["aborted"], smmu(seen)
    due, all_aborted = (len(aborted_copies(seen, recorded_only=only)) for only in (True, False))
    printed = [log for log in seen.events("vfio") if "event: " in log]
    refused_rng = function(seen, "rng0")["dma"]["faulted"]
    holds = s["events"] == due == len(printed) > 0 and aborted == all_aborted and refused_rng == 0 and s["events_discarded"] == 0
    return holds, f"{s['events']} recorded, {aborted} copies and {refused_rng} requests of rng0 aborted, {len(printed)} printed by the guest"


def translations_on(seen):
    """The guest's kernel has found both capabilities through QEMU and switched them on."""
    control = {line["capability"]: int(line["control"] or 0) for line in seen.boot.of("vfio") if line["capability"]}
    holds = control.get("ats", 0) & 0x8000 != 0 and control.get("pasid", 0) & 1 != 0
    return holds, ", ".join(f"{name}'s control register {value:#x}" for name, value in control.items()) or "no capability"


def by_atc(seen):
    """10.1.1, 3.9.1: the endpoint asks, keeps what it gets and goes translated, which the SMMU lets pass with EATS 1 only."""
    copy = function(seen, "copy0")
    asked, translated, atc = copy["translation"]["translation_requests"], copy["translation"]["translated"], copy["atc"]
    holds = atc["hits"] > 0 and 0 < asked <= atc["misses"] and translated >= atc["hits"] and copy["copy"]["bytes"] > 0
    return holds, f"{translated} translated accesses, {asked} requests, {atc['hits']} hits in the ATC"


def atc_invalidated(seen):
    """Each CMD_ATC_INV that the guest gave has reached the endpoint and was completed."""
    s, given, dropped = smmu(seen), seen.account["commands"].get("CMD_ATC_INV", 0), function(seen, "copy0")["atc"]["invalidated"]
    return given == s["atc_invalidations"] > 0 == s["atc_timeouts"] and dropped > 0, \
        f"{s['atc_invalidations']} of {given} CMD_ATC_INVs sent to the endpoint, {s['atc_timeouts']} timed out; {dropped} translations dropped"


def no_stale_use(seen):
    """Nothing was used that the guest's tables no longer held, without an invalidation under way."""
    uses = smmu(seen)["stale_uses"]
    first = [f"IOVA {u['iova']} of stream {u['stream']:#x}: {u['cached']} instead of {u['memory']}, {u['missing']} is missing" for u in uses["latest"][:1]]
    return uses["count"] == 0, checks.plural(uses["count"], "use") + (f", first: {first[0]}" if first else "")


def software_faults(seen):
    found = smmu(seen)["software_faults"]
    return not found, "; ".join(f"{f['section']}: {f['what']} ({f['count']} times, at {f['at']:#x})" for f in found) or "nothing that the manual forbids"


def nothing_stale(seen):
    s = smmu(seen)
    first = [f"IOVA {e.get('iova', e.get('ipa'))} is still {e['cached']}" for e in s["first_stale"][:1]]
    return s["stale"] == 0 < s["audits"], f"{s['stale']} stale in {checks.plural(s['audits'], 'audit')}" + (f", first: {first[0]}" if first else "")


def commands(seen):
    """What software gave is what the SMMU executed, and nothing was wrong with it or with its registers."""
    s, given = smmu(seen), seen.account["commands"]
    wrong = {key: s[key] for key in ("command_errors", "gerror", "frame_strays", "bus_strays", "spoiled") if s[key]}
    kinds = {"CMD_CFGI_STE", "CMD_CFGI_CD", "CMD_TLBI_NH_VA", "CMD_TLBI_NH_ASID", "CMD_SYNC"} - set(given)
    total = sum(given.values())
    holds = not wrong and not kinds and total == s["commands"]
    return holds, f"{total} given, {s['commands']} executed" + "".join(f", {k} {v}" for k, v in wrong.items()) + "".join(f", no {k}" for k in kinds)


def syncs(seen):
    late = [line["text"] for line in seen.boot.of("log") if "CMD_SYNC~timeout" in line["text"]]
    given, done = seen.account["commands"].get("CMD_SYNC", 0), smmu(seen)["syncs"]
    return given == done > 0 and not late, f"{done} of {given} completed" + (f", {len(late)} time-outs in the guest" if late else "")


def polled(seen):
    holds, words = syncs(seen)
    return holds and smmu(seen)["messages"] == 0, f"{words}, {smmu(seen)['messages']} messages"


def by_message(seen):
    """Each CMD_SYNC ends with a message to memory; the events' messages are for the interrupt controller."""
    holds, words = syncs(seen)
    sent = smmu(seen)["messages"] - smmu(seen)["events"]
    return holds and sent == smmu(seen)["syncs"], f"{words}, {sent} of their messages sent"


def heard(seen, kind):
    lines = [line for line in seen.boot.of("vfio") if line["interrupt"] and "evtq" in line["kind"] and kind in line["kind"]]
    return sum(int(line["count"] or 0) for line in lines)


def wired(seen):
    count, raised = heard(seen, "Edge"), seen.account["interrupts"]
    return 0 < count <= raised["wires"] and raised["messages"] == 0 and not raised["failure"], \
        raised["failure"] or f"{count} heard of {raised['wires']} wires pulled"


def messages(seen):
    count, raised = heard(seen, "MSI"), seen.account["interrupts"]
    return 0 < count <= raised["messages"] and not raised["failure"], \
        raised["failure"] or f"{count} heard of {raised['messages']} messages sent to the ITS"
