"""What a run of the tests says at its end, which may be all of it that somebody reads."""

import contextlib
import io
import os
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "scripts"))

from steps.report import Report


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.report, self.printed = Report(), io.StringIO()
        context = contextlib.redirect_stdout(self.printed)
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def test_a_failure_is_told_at_the_end_with_the_last_line_of_its_log(self):
        with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
            log.write("first\nfinding: that one\n")
            log.flush()
            self.report.count("fuzz", False, log.name)
        self.assertEqual(self.report.failures, ["fuzz: finding: that one"])
        self.assertIn("    | first\n", self.printed.getvalue())

    def test_each_check_of_a_step_counts_as_one(self):
        wrong = self.report.checks(time.monotonic(), "guest", [("a", True, ""), ("b", False, "17"), ("c", True, "")], "logs are there")
        self.assertEqual((wrong, self.report.passed, self.report.failed), (1, 2, 1))
        self.assertEqual(self.report.failures, ["guest: b"])
        self.assertIn("FAILED b: 17", self.printed.getvalue())

    def test_a_step_without_a_failure_says_nothing_at_the_end(self):
        self.report.checks(time.monotonic(), "guest", [("a", True, "")], "logs are there")
        self.report.count("lint", True)
        self.assertEqual((self.report.failures, self.report.passed), ([], 2))


if __name__ == "__main__":
    unittest.main()
