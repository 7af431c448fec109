import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import conditions  # noqa: E402

ALL = ["4\t0\tEvents\tstream.table\t6.3.25\tC_BAD_STREAMID: beyond the table\n", "4\t1\tEvents\tstage1.range\t3.4.1\tF_TRANSLATION: no range\n",
       "6\t0\tStale uses\tStaleKind::ste\t4.3.1\tan STE\n"]
MET = {"StreamTable.BeyondItIsC_BAD_STREAMID": "4\t0\n", "Walk.AboveTheRange": "4\t1\n4\t0\n", "Each+Stale.IsNamed+STE": "6\t0\n"}


class Conditions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "conditions")
        os.mkdir(self.folder)
        self.document = os.path.join(folder.name, "model.md")
        self.write("all", "".join(ALL))
        for test, met in MET.items():
            self.write(test + ".met", met)

    def write(self, name, text):
        pathlib.Path(self.folder, name).write_text(text, encoding="utf-8")

    def run_it(self, *options):
        said = io.StringIO()
        with mock.patch.object(conditions, "DOCUMENT", self.document), contextlib.redirect_stderr(said), \
                mock.patch.object(sys, "argv", ["conditions.py", self.folder, *options]):
            return conditions.main(), said.getvalue()

    def test_each_condition_has_its_heading_and_a_test(self):
        self.assertEqual(self.run_it(), (0, ""))
        text = pathlib.Path(self.document).read_text(encoding="utf-8")
        self.assertIn("## Stale uses\n\n| condition |", text)
        self.assertIn("| `StaleKind::ste` | 4.3.1 | an STE | `Each/Stale.IsNamed/STE` |", text)
        self.assertEqual(self.run_it("--check"), (0, ""))

    def test_a_condition_that_no_test_has_met_fails(self):
        os.remove(os.path.join(self.folder, "Walk.AboveTheRange.met"))
        status, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("no test has met stage1.range", said)
        self.assertFalse(os.path.exists(self.document))

    def test_a_document_that_is_another_one_fails(self):
        self.run_it()
        os.remove(os.path.join(self.folder, "StreamTable.BeyondItIsC_BAD_STREAMID.met"))  # another test has met it too
        status, said = self.run_it("--check")
        self.assertEqual(status, 1)
        self.assertIn("./run docs", said)

    def test_a_run_without_tests_fails(self):
        os.remove(os.path.join(self.folder, "all"))
        self.assertEqual(self.run_it("--check")[0], 1)

    def choose(self, met, row=("4", "0", "Events", "stream.table", "6.3.25", "C_BAD_STREAMID: beyond the table")):
        return conditions.choose(row, {test: set(of) for test, of in met.items()})

    def test_the_test_whose_name_says_it_is_shown(self):
        one = ("4", "0")
        self.assertEqual(self.choose({"A.Page": [one], "B.BeyondTheTable": [one, ("4", "1")]}), "B.BeyondTheTable")

    def test_else_the_one_that_meets_the_fewest(self):
        one = ("4", "0")
        self.assertEqual(self.choose({"A.Page": [one, ("4", "1")], "B.Page": [one]}), "B.Page")

    def test_one_whose_threads_decide_is_the_last_resort(self):
        one = ("4", "0")
        self.assertEqual(self.choose({"TableThreads.BeyondTheTable": [one], "Z.Page": [one]}), "Z.Page")
        self.assertEqual(self.choose({"TableThreads.BeyondTheTable": [one]}), "TableThreads.BeyondTheTable")


if __name__ == "__main__":
    unittest.main()
