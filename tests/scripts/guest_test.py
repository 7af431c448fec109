"""What the guest's runs are judged by finds what is wrong, and nothing else."""

import base64
import gzip
import os
import sys
import tempfile
import types
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "guest"))
import boot  # noqa: E402
import checks  # noqa: E402
import marked  # noqa: E402
import runs  # noqa: E402


class MarkedStream(unittest.TestCase):
    def test_lines_are_those_of_the_endpoint(self):
        self.assertEqual(marked.line("vf0", 0x2a), b"SLUICE vf0..... 00000000000002a\n")
        self.assertEqual(marked.stream("a", 40), marked.line("a", 0) + marked.line("a", 1)[:8])

    def test_the_digest_is_fnv_1a(self):
        self.assertEqual(marked.digest(b""), 0xcbf29ce484222325)
        self.assertEqual(marked.digest(b"a"), 0xaf63dc4c8601ec8c)

    def test_a_piece_may_begin_and_end_within_a_line_and_miss_some(self):
        whole = marked.stream("rng0", 320)
        piece = marked.Piece(whole[20:64] + whole[128:300])
        self.assertEqual((piece.fault, piece.name, piece.numbers), (None, "rng0", [1, 4, 5, 6, 7, 8]))
        self.assertEqual(piece.end(), 288)

    def test_another_byte_order_or_source_is_found(self):
        whole = marked.stream("rng0", 320)
        for wrong in (whole[:100] + b"x" + whole[101:], whole[:50] + whole[51:], whole[64:128] + whole[:64],
                      whole[:64] + marked.line("rng1", 9), os.urandom(256), b"", b"\0" * 64, b"x" * 20 + whole[32:]):
            self.assertIsNotNone(marked.Piece(wrong).fault, wrong)


def account(**changes):
    dma = {"bytes_read": 100, "bytes_written": 320, "faulted": 0, "bus_aborts": 0}
    given = {"bytes": 320, "buffers": 5, "digest": hex(marked.digest(marked.stream("rng0", 320)))}
    function = {"address": runs.FIRST, "name": "rng0", "smmu": 0, "dma": dma, "delivered": given, "interrupts": 1, "messages": 0,
                "nested": {"requests": 9, "bytes": 400}, "stage1": {"requests": 0, "bytes": 0},
                "stage2": {"requests": 1, "bytes": 20}, "bypassed": {"requests": 0, "bytes": 0},
                "nested_looked_up": 9, "nested_in_ioas": 0}
    function.update(changes)
    return {"functions": [function], "smmus": [], "stale": 0}


class Checks(unittest.TestCase):
    def seen(self, lines=(), **changes):
        with tempfile.TemporaryDirectory() as folder:
            one = boot.Boot("test", folder, [], 1)
        one.lines = [boot.Line(line) for line in lines]
        one.account = types.MethodType(lambda _: account(**changes), one)
        return checks.Seen(runs.NESTED_RUN, one)

    def read(self, data, marks):
        packed = base64.b64encode(gzip.compress(data)).decode()
        return [f"read source=virtio_rng.0 bytes={len(data)} marked={marks} data={packed}"]

    def test_what_the_guest_read_is_compared_on_both_sides(self):
        check, data = checks.bytes_of("read"), marked.stream("rng0", 320)
        self.assertTrue(check(self.seen(self.read(data, 9)))[0])
        self.assertFalse(check(self.seen(self.read(data, 3)))[0])
        self.assertFalse(check(self.seen(self.read(marked.stream("rng1", 320), 9)))[0])
        self.assertFalse(check(self.seen(self.read(os.urandom(320), 0)))[0])
        self.assertFalse(check(self.seen(["read source=virtio_rng.0 bytes=0 failed=1"]))[0])
        self.assertFalse(check(self.seen())[0])

    def test_more_than_was_delivered_cannot_be_read(self):
        self.assertTrue(checks.delivered(self.seen(self.read(marked.stream("rng0", 320), 9)))[0])
        self.assertFalse(checks.delivered(self.seen(self.read(marked.stream("rng0", 352), 9)))[0])
        other = {"bytes": 320, "buffers": 5, "digest": "0x1"}
        self.assertFalse(checks.delivered(self.seen(delivered=other))[0])

    def test_each_byte_went_through_both_stages(self):
        self.assertTrue(checks.both_stages(self.seen())[0])
        self.assertFalse(checks.both_stages(self.seen(nested={"requests": 8, "bytes": 390}))[0])
        self.assertFalse(checks.both_stages(self.seen(bypassed={"requests": 1, "bytes": 0}))[0])
        self.assertFalse(checks.both_stages(self.seen(nested={"requests": 0, "bytes": 0}, stage2={"requests": 9, "bytes": 420}))[0])

    def test_an_iova_that_stage_2_alone_maps_proves_nothing(self):
        self.assertTrue(checks.not_by_luck(self.seen())[0])
        self.assertFalse(checks.not_by_luck(self.seen(nested_in_ioas=1))[0])
        self.assertFalse(checks.not_by_luck(self.seen(nested_looked_up=8))[0])

    def test_only_what_was_asked_for_is_refused(self):
        dma = {"bytes_read": 100, "bytes_written": 320, "faulted": 1, "bus_aborts": 0}
        self.assertFalse(checks.refused_as_asked(self.seen(dma=dma))[0])
        self.assertTrue(checks.refused_as_asked(self.seen(["fault address=0000:09:00.0 result=aborted"], dma=dma))[0])

    def test_the_guest_has_to_name_its_device(self):
        lines = ["fault address=0000:09:00.0 result=aborted",
                 "fault log=smmu:~event:~F_TRANSLATION~client:~0000:09:00.0~iova:~0xad0000beef~ipa:~0x0",
                 "fault log=smmu:~unpriv~data~read~s1~stag:~0x0"]
        self.assertTrue(checks.fault_reported(self.seen(lines))[0])
        self.assertFalse(checks.fault_reported(self.seen(lines[:1]))[0])
        self.assertFalse(checks.fault_reported(self.seen([lines[0].replace("aborted", "served"), *lines[1:]]))[0])
        self.assertFalse(checks.fault_reported(self.seen([lines[0], lines[1].replace("09:", "0a:"), lines[2]]))[0])

    def test_no_account_is_no_success(self):
        seen = self.seen()
        seen.account, seen.functions, seen.used, seen.smmus = {}, [], [], []
        for check in (checks.delivered, checks.both_stages, checks.not_by_luck, checks.one_stage, checks.nothing_stale,
                      checks.driver_content, checks.nothing_left, checks.refused_as_asked, checks.intx, checks.firmware):
            self.assertFalse(check(seen)[0], check)


class Runs(unittest.TestCase):
    def test_a_planted_fault_names_checks_that_there_are(self):
        for run in runs.ALL:
            self.assertLessEqual(set(run.caught_by), {name for name, _ in run.checks}, run.name)

    def test_ram_ends_below_the_iovas_that_linux_gives_out_first(self):
        for run in runs.ALL:
            mib = int(run.machine[run.machine.index("-m") + 1])
            self.assertLess(mib, 3072, run.name)


if __name__ == "__main__":
    unittest.main()
