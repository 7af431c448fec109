"""What has to hold of a run whose guest drives our SMMU. As checks.py: each gives (holds, what was seen, in words)."""

import checks


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
    """Features of the queue as the guest's driver and the endpoint have them. Linux's driver of entropy sources queues one buffer at
    a time, for which it makes no indirect table."""
    queue, bits = function(seen, "rng0")["queue"], [line["features"] for line in seen.boot.of("device")]
    by_guest = bool(bits) and all(b[28:30] == "11" for b in bits)
    holds = by_guest and queue["indirect"] and queue["event_index"]
    return holds, "indirect tables and the event index" if holds else f"the guest's bits {' '.join(bits) or 'none'}, the endpoint's queue {queue}"


def copied(seen):
    lines = said(seen, "copy")
    good = [line for line in lines if line["result"] == "done" and line["wrong"] == "0" and int(line["bytes"]) > 4096]
    return len(lines) == len(good) == 1, " ".join(f"{line['bytes']} bytes from IOVA to IOVA, {line['wrong']} wrong, {line['result']}" for line in lines) or "no copy"


def remapped(seen):
    """Other memory behind the same IOVA, again and again: a translation that should be gone would show the last one's."""
    lines = said(seen, "remap")
    holds = len(lines) == 1 and int(lines[0]["rounds"]) == int(lines[0]["done"]) > 1 and lines[0]["wrong"] == "0"
    return holds, " ".join(f"{line['rounds']} times, {line['done']} copied, {line['wrong']} with other bytes" for line in lines) or "nothing"


def refused(what, result, event):
    """The copy engine's access is aborted where it says, nothing changes, and the guest's driver prints the event."""
    def check(seen):
        lines = said(seen, what)
        changed = [line["changed"] for line in said(seen, "guarded")]
        logs = [log for log in seen.events("vfio") if f"event: {event} client" in log]
        named = lines and [log for log in logs if f"iova: {lines[0]['iova']} " in log]
        holds = (len(lines) == 1 and lines[0]["result"] == result and lines[0]["moved"] == "0" and named and changed == ["0"])
        seen_event = named[0].split("event: ", 1)[1] if named else "no event in the guest's log"
        return bool(holds), "; ".join([f"{line['result']} at {line['iova']}" for line in lines] + [seen_event])
    return check


def events(seen):
    """As many events as refused accesses, all of which the guest has printed."""
    aborted, s = function(seen, "copy0")["copy"]["aborted"], smmu(seen)
    printed = [log for log in seen.events("vfio") if "event: " in log]
    refused_rng = function(seen, "rng0")["dma"]["faulted"]
    holds = s["events"] == aborted == len(printed) > 0 and refused_rng == 0 and s["events_discarded"] == 0
    return holds, f"{s['events']} recorded, {aborted} copies and {refused_rng} requests of rng0 aborted, {len(printed)} printed by the guest"


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
