"""What the runs whose guest drives our SMMU are judged by finds what is wrong, and nothing else."""

import copy
import json
import os
import pathlib
import re
import shlex
import sys
import tempfile
import types
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "guest"))
import boot  # noqa: E402
import checks  # noqa: E402
import device_tree  # noqa: E402
import marked  # noqa: E402
import model_checks  # noqa: E402
import model_runs  # noqa: E402

BITS = "".join("1" if bit in (28, 29, 32, 33) else "0" for bit in range(128))
LOG = "arm-smmu-v3~7f000000.iommu:~"


def event(kind, iova="", ssid=0):
    return f"vfio log={LOG}event:~{kind}~client:~0000:00:05.0~sid:~0x28~ssid:~{ssid:#x}" + (f"~iova:~{iova}~ipa:~0x0" if iova else "")


def refused(what, result, iova):
    modes = ("default", "default", "untranslated", "untranslated")
    return [f"vfio what={what} mode={mode} result={result} moved=0 iova={iova}" for mode in modes]


LINES = [
    f"smmu log={LOG}ias~44-bit,~oas~44-bit~(features~0x01989727)", "smmu log=arm-smmu-v3:~allocated~1024~entries~for~cmdq",
    "smmu log=arm-smmu-v3:~allocated~1024~entries~for~evtq",
    f"device address=0000:00:04.0 group=3 type=DMA features={BITS}",
    "vfio capability=ats control=32768", "vfio capability=pasid control=1",
    "vfio what=copy result=done bytes=6000 wrong=0", "vfio what=remap rounds=16 done=16 wrong=0",
    *refused("readonly", "write_aborted", "0x20000000"), "vfio what=guarded changed=0",
    *refused("pasid", "read_aborted", "0x123456000"), *refused("unmapped", "read_aborted", "0x123456000"),
    *2 * [event("F_PERMISSION", "0x20000000")], *2 * [event("C_BAD_CD", ssid=5)], *2 * [event("F_TRANSLATION", "0x123456000")],
    f"indirect data={marked.stream('rng0', 384).hex()} rounds=2 good=2 bytes=384",
    "vfio interrupt=15 count=6 kind=GICv3~106~Edge~arm-smmu-v3-evtq",
]
NONE = {"requests": 0, "bytes": 0}
ACCOUNT = {
    "functions": [
        {"name": "rng0", "address": model_runs.RNG, "stage1": {"requests": 14, "bytes": 200}, "stage2": NONE, "nested": NONE,
         "bypassed": NONE, "queue": {"indirect": True, "event_index": True, "tables": 2},
         "dma": {"reads": 8, "writes": 6, "bytes_read": 50, "bytes_written": 150, "faulted": 0},
         "delivered": {"buffers": 2, "bytes": 128}, "translation": {"walks": 9}},
        {"name": "copy0", "address": model_runs.COPY, "copy": {"jobs": 30, "bytes": 108000, "aborted": 12},
         "translation": {"walks": 90, "translation_requests": 41, "translated": 76},
         "atc": {"hits": 38, "misses": 41, "inserted": 38, "invalidated": 38}}],
    "commands": {"CMD_CFGI_STE": 9, "CMD_CFGI_CD": 2, "CMD_TLBI_NH_VA": 40, "CMD_TLBI_NH_ASID": 1, "CMD_ATC_INV": 24, "CMD_SYNC": 60},
    "smmu": {"commands": 136, "syncs": 60, "command_errors": 0, "gerror": 0, "frame_strays": 0, "bus_strays": 0, "spoiled": 0,
             "events": 6, "events_discarded": 0, "messages": 0, "atc_invalidations": 24, "atc_timeouts": 0, "audits": 40, "stale": 0,
             "first_stale": [], "software_faults": [], "stale_uses": {"count": 0, "latest": []}},
    "interrupts": {"wires": 6, "messages": 0, "failure": ""},
}


class Given(unittest.TestCase):
    """A run that is as it should be, in which a test changes one thing."""

    def seen(self, change=None, lines=LINES):
        with tempfile.TemporaryDirectory() as folder:
            one = boot.Boot("test", folder, [], 1)
        one.lines = [boot.Line(line) for line in lines]
        account = copy.deepcopy(ACCOUNT)
        if change:
            change(account)
        one.account = types.MethodType(lambda _: account, one)
        return checks.Seen(model_runs.MODEL, one)

    def holds(self, check, **given):
        return bool(check(self.seen(**given))[0])

    def set(self, *path):
        """A change of the account: the last word is the value."""
        def change(account):
            *places, key, value = path
            for place in places:
                account = account[place]
            account[key] = value
        return change

    def without(self, text):
        return [line for line in LINES if text not in line]

    def instead(self, text, other):
        return [line.replace(text, other) for line in LINES]


PERMISSION = model_checks.refused("readonly", "write_aborted", "F_PERMISSION")
UNMAPPED = model_checks.refused("unmapped", "read_aborted", "F_TRANSLATION")
PASID = model_checks.refused("pasid", "read_aborted", "C_BAD_CD", "ssid: 0x5 ")


class ModelChecks(Given):
    def test_a_run_that_is_as_it_should_be_passes(self):
        here = [check for name, check in model_runs.MODEL.checks if check.__module__ == "model_checks"]
        self.assertGreater(len(here), 15)
        for check in here:
            self.assertTrue(self.holds(check), check(self.seen()))

    def test_the_driver_has_to_say_its_features_and_queues(self):
        self.assertFalse(self.holds(model_checks.probed, lines=self.without("features~")))
        self.assertFalse(self.holds(model_checks.probed, lines=self.without("evtq")[1:]))

    def test_features_of_the_queue_are_the_guests_and_the_endpoints(self):
        check = model_checks.negotiated
        self.assertFalse(self.holds(check, lines=self.instead(BITS, BITS.replace("11", "10", 1))))
        self.assertFalse(self.holds(check, lines=self.without("device ")))

    def test_chains_in_indirect_tables_have_to_be_whole_and_in_order(self):
        check, line = model_checks.by_tables, "indirect data="
        self.assertFalse(self.holds(check, change=self.set("functions", 0, "queue", "tables", 0)))
        for old, new in (("good=2", "good=1"), ("bytes=384", "bytes=192"), ("rounds=2", "rounds=3")):
            self.assertFalse(self.holds(check, lines=self.instead(old, new)), new)
        whole = marked.stream("rng0", 384)
        for data in (whole[64:128] + whole[:64] + whole[128:], marked.stream("rng1", 384), bytes(384)):
            self.assertFalse(self.holds(check, lines=self.instead(whole.hex(), data.hex())))
        self.assertFalse(self.holds(check, lines=self.without(line)))

    def test_each_request_of_the_entropy_source_went_through_stage_1(self):
        check = model_checks.translated
        self.assertFalse(self.holds(check, change=self.set("functions", 0, "stage1", {"requests": 13, "bytes": 200})))
        self.assertFalse(self.holds(check, change=self.set("functions", 0, "stage1", {"requests": 14, "bytes": 199})))
        self.assertFalse(self.holds(check, change=self.set("functions", 0, "bypassed", {"requests": 1, "bytes": 1})))
        self.assertFalse(self.holds(check, change=self.set("functions", 0, "delivered", "buffers", 0)))

    def test_a_copy_has_to_be_whole_right_and_done(self):
        for old, new in (("wrong=0", "wrong=1"), ("bytes=6000", "bytes=4096"), ("result=done", "result=busy")):
            self.assertFalse(self.holds(model_checks.copied, lines=self.instead(old, new)))
        self.assertFalse(self.holds(model_checks.copied, lines=self.without("what=copy")))

    def test_old_bytes_behind_a_new_mapping_are_found(self):
        for old, new in (("done=16 wrong=0", "done=16 wrong=1"), ("done=16", "done=15"), ("rounds=16 done=16", "rounds=1 done=1")):
            self.assertFalse(self.holds(model_checks.remapped, lines=self.instead(old, new)))

    def test_a_refused_access_needs_result_event_and_nothing_changed(self):
        self.assertFalse(self.holds(PERMISSION, lines=self.instead("write_aborted", "done")))
        self.assertFalse(self.holds(PERMISSION, lines=self.instead("changed=0", "changed=1")))
        self.assertFalse(self.holds(PERMISSION, lines=self.without("F_PERMISSION")))
        self.assertFalse(self.holds(PERMISSION, lines=self.instead("moved=0 iova=0x20000000", "moved=8 iova=0x20000000")))
        self.assertFalse(self.holds(UNMAPPED, lines=self.instead("~iova:~0x123456000", "~iova:~0x123457000")))
        self.assertFalse(self.holds(PASID, lines=self.instead("ssid:~0x5", "ssid:~0x0")))

    def test_with_an_ATC_only_untranslated_accesses_make_events(self):
        more = [*LINES, event("F_PERMISSION", "0x20000000")]
        self.assertFalse(self.holds(PERMISSION, lines=more))
        self.assertFalse(self.holds(model_checks.events, lines=more))
        twice = [*LINES, *(line for line in LINES if "event:" in line)]
        plain = lambda account: (account["functions"][1].pop("atc"), account["smmu"].update(events=12))
        self.assertTrue(self.holds(PERMISSION, lines=twice, change=plain), "without one each does")
        self.assertTrue(self.holds(model_checks.events, lines=twice, change=plain))

    def test_no_event_is_lost_and_no_abort_forgotten(self):
        check = model_checks.events
        self.assertFalse(self.holds(check, change=self.set("smmu", "events", 5)))
        self.assertFalse(self.holds(check, change=self.set("smmu", "events_discarded", 1)))
        self.assertFalse(self.holds(check, change=self.set("functions", 1, "copy", "aborted", 13)))
        self.assertFalse(self.holds(check, change=self.set("functions", 0, "dma", "faulted", 1)))

    def test_linux_has_to_switch_both_capabilities_on(self):
        for old, new in (("control=32768", "control=0"), ("pasid control=1", "pasid control=0"), ("pasid control=1", "pasid control=")):
            self.assertFalse(self.holds(model_checks.translations_on, lines=self.instead(old, new)))

    def test_the_ATC_has_to_be_used(self):
        for key, value in (("translation_requests", 0), ("translated", 0)):
            self.assertFalse(self.holds(model_checks.by_atc, change=self.set("functions", 1, "translation", key, value)))
        self.assertFalse(self.holds(model_checks.by_atc, change=self.set("functions", 1, "atc", "hits", 0)))
        self.assertRaises(KeyError, self.holds, model_checks.by_atc, change=lambda account: account["functions"][1].pop("atc"))

    def test_each_CMD_ATC_INV_has_to_reach_the_endpoint_and_complete(self):
        for change in (self.set("smmu", "atc_invalidations", 23), self.set("smmu", "atc_timeouts", 1),
                       self.set("commands", "CMD_ATC_INV", 25), self.set("functions", 1, "atc", "invalidated", 0)):
            self.assertFalse(self.holds(model_checks.atc_invalidated, change=change))

    def test_a_stale_use_is_named(self):
        use = {"stream": 0x28, "iova": "0x1000", "cached": "0x2000", "memory": "nothing", "missing": "CMD_ATC_INV"}
        good, words = model_checks.no_stale_use(self.seen(change=self.set("smmu", "stale_uses", {"count": 2, "latest": [use]})))
        self.assertFalse(good)
        self.assertIn("0x1000 of stream 0x28: 0x2000 instead of nothing, CMD_ATC_INV is missing", words)
        self.assertFalse(self.holds(model_checks.nothing_stale, change=self.set("smmu", "stale", 1)))
        self.assertFalse(self.holds(model_checks.nothing_stale, change=self.set("smmu", "audits", 0)))

    def test_what_software_must_not_do_is_named_with_its_section(self):
        fault = {"section": "3.9.2", "what": "EATS is 0", "count": 1, "at": 0x28}
        good, words = model_checks.software_faults(self.seen(change=self.set("smmu", "software_faults", [fault])))
        self.assertFalse(good)
        self.assertIn("3.9.2", words)

    def test_commands_and_syncs_are_all_executed(self):
        for key in ("command_errors", "gerror", "frame_strays", "bus_strays", "spoiled"):
            self.assertFalse(self.holds(model_checks.commands, change=self.set("smmu", key, 1)), key)
        self.assertFalse(self.holds(model_checks.commands, change=self.set("smmu", "commands", 135)))
        self.assertFalse(self.holds(model_checks.commands, change=lambda account: account["commands"].pop("CMD_CFGI_CD")))
        self.assertFalse(self.holds(model_checks.polled, change=self.set("smmu", "syncs", 59)))
        self.assertFalse(self.holds(model_checks.polled, change=self.set("smmu", "messages", 1)))
        self.assertFalse(self.holds(model_checks.polled, lines=[*LINES, "log text=CMD_SYNC~timeout~at~0x1"]))

    def test_messages_are_those_of_syncs_and_events(self):
        self.assertTrue(self.holds(model_checks.by_message, change=self.set("smmu", "messages", 66)))
        self.assertFalse(self.holds(model_checks.by_message, change=self.set("smmu", "messages", 65)))

    def test_interrupts_have_to_be_heard(self):
        self.assertFalse(self.holds(model_checks.wired, lines=self.instead("count=6", "count=0")))
        self.assertFalse(self.holds(model_checks.wired, change=self.set("interrupts", "wires", 5)))
        self.assertFalse(self.holds(model_checks.wired, change=self.set("interrupts", "failure", "gone")))
        self.assertFalse(self.holds(model_checks.messages))


class ModelRuns(unittest.TestCase):
    def test_a_planted_fault_names_checks_that_there_are(self):
        for run in model_runs.ALL:
            self.assertLessEqual(set(run.caught_by), {name for name, _ in run.checks}, run.name)

    def test_each_fault_of_the_main_run_has_a_run_of_its_own(self):
        self.assertLessEqual({f"model-{fault}" for fault in model_runs.MODEL.faults}, set(model_runs.BY_NAME))

    def test_ram_reaches_over_the_iovas_that_linux_gives_out_first(self):
        # QEMU looks in RAM, which begins at 1 GiB, for the rings of a vhost-user device; Linux gives out IOVAs below 4 GiB.
        self.assertEqual(model_runs.RAM.split(",")[0], "size=4G")
        for run in model_runs.ALL:
            self.assertEqual(run.machine[run.machine.index("-m") + 1], "4G", run.name)

    def test_the_guests_program_knows_the_registers_of_the_device(self):
        header = pathlib.Path(ROOT, "sluice/pcie/copy_device.hpp").read_text(encoding="utf-8")
        program = pathlib.Path(ROOT, "scripts/guest/vfio_copy.c").read_text(encoding="utf-8")
        ours = {name: int(value, 16) for name, value in re.findall(r"(\w+_at) = (0x\w+);", header)}
        theirs = {name: int(value, 16) for name, value in re.findall(r"(\w+_at) = (0x\w+)\b", program)}
        self.assertGreater(len(theirs), 7)
        self.assertEqual(theirs, {name: ours[name] for name in theirs})
        states = re.search(r"enum class State[^{]*{(.*?)};", header, re.S)[1]
        names = re.findall(r'"(\w+)"', re.search(r"states\[\] = {(.*?)};", program, re.S)[1])
        self.assertEqual(names, re.findall(r"^\s+(\w+),", states, re.M))


class Page(unittest.TestCase):
    """docs/guest-model.md says what the checked run does."""
    TEXT = pathlib.Path(ROOT, "docs/guest-model.md").read_text(encoding="utf-8")
    HERE, COMMANDS = re.search(r"```sh\ncat >machine.json <<'END'\n(.*?)END\n(.*?)```", TEXT, re.S).groups()

    def words(self, program):
        command = next(line for line in self.COMMANDS.replace("\\\n", "").splitlines() if line.split()[0].endswith(program))
        return shlex.split(command)

    def test_the_machine_has_the_features_of_the_run(self):
        self.assertEqual(json.loads(self.HERE)["smmus"][0]["features"], model_runs.MODEL.description["smmus"][0]["features"])

    def test_qemu_is_started_as_in_the_run(self):
        words = self.words("sluice")
        qemu = words[words.index("--") + 2:]
        run = [*model_runs.DEVICES, *model_runs.MODEL.machine, f"memory-backend-file,id=ram,{model_runs.RAM}", "-kernel", "-initrd",
               "-append", "-object", "-dtb"]
        own = {"Image", "initrd", "guest.dtb", "console=ttyAMA0"}
        self.assertEqual([word for word in qemu if word.removesuffix(",memory-backend=ram") not in run and word not in own], [])
        needed = [word for word in model_runs.DEVICES if "{" in word]
        self.assertEqual([word for word in needed if word not in qemu], [])

    def test_the_options_are_those_of_the_programs(self):
        main = pathlib.Path(ROOT, "tools/sluice/main.cpp").read_text(encoding="utf-8")
        serve = main[main.index("* add_serve("):main.index("int main(")]
        words = self.words("sluice")
        for option in [word for word in words[:words.index("--")] if word.startswith("--")] + ["--frame", "--atc", "--break"]:
            self.assertIn(f'"{option}"', serve)
            self.assertIn(option, self.TEXT)
        faults = re.search(r'"--break".*?IsMember\({(.*?)}\)', serve, re.S)[1].replace('"', "").split(", ")
        self.assertEqual(set(faults), set(model_runs.MODEL.faults))
        for fault in faults:
            self.assertIn(f"`{fault}`", self.TEXT)
        self.assertEqual(list(model_runs.SERVED), [word for word in words if word in model_runs.SERVED])

    def test_the_device_tree_is_made_for_the_same_machine(self):
        words = self.words("device_tree.py")
        qemu = words[words.index("--") + 2:]
        self.assertEqual(tuple(qemu), model_runs.MODEL.machine)
        self.assertEqual(("ATS",), model_runs.MODEL.kinds)
        self.assertIn("--ats", words)

    def test_it_is_one_screen(self):
        self.assertLessEqual(len(self.TEXT.splitlines()), 60)


class DeviceTree(unittest.TestCase):
    SOURCE = pathlib.Path(ROOT, "scripts/guest/smmu.dtso").read_text(encoding="ascii")

    def made(self, *kinds):
        text = device_tree.overlay(self.SOURCE, "0x8003", kinds)
        return [line for line in text.splitlines() if not line.lstrip().startswith("//")]

    def test_a_line_of_a_kind_is_there_when_it_is_asked_for(self):
        for kind, word in (("ATS", "ats-supported;"), ("MSI", "msi-parent = <0x8003 0>;")):
            self.assertTrue(any(word in line for line in self.made(kind)), kind)
            self.assertFalse(any(word in line for line in self.made()), kind)

    def test_no_placeholder_is_left(self):
        for line in self.made("ATS", "MSI"):
            self.assertNotRegex(line, r"\b(FRAME|FRAME_HEX|ITS|ATS|MSI)\b")

    def test_dumping_is_told_to_the_machine(self):
        words = device_tree.dumping(["qemu", "-M", "virt,gic-version=3", "-m", "4G"], "x.dtb")
        self.assertEqual(words[:5], ["qemu", "-M", "virt,gic-version=3,dumpdtb=x.dtb", "-m", "4G"])
        with self.assertRaises(SystemExit):
            device_tree.dumping(["qemu", "-m", "4G"], "x.dtb")

    def test_the_frame_is_reserved_and_is_that_of_the_command_line(self):
        text = "\n".join(self.made())
        self.assertEqual(text.count(f"reg = <0x0 {device_tree.FRAME:#x} 0x0 0x20000>;"), 2, "reserved memory and the SMMU")
        self.assertIn(f"iommu@{device_tree.FRAME:x}", text)
        self.assertIn("no-map;", text)


if __name__ == "__main__":
    unittest.main()
