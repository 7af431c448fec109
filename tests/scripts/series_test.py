"""docs/series.md names tests, and what it names has to exist."""

import glob
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEST = re.compile(r"^(?:TEST|TEST_F|TEST_P)\((\w+),\s*(\w+)\)", re.M)


def existing():
    names = set()
    for path in glob.glob(os.path.join(ROOT, "tests", "*", "*.cpp")):
        folder = os.path.basename(os.path.dirname(path))
        with open(path, encoding="utf-8") as file:
            names |= {f"{folder}/{suite}.{name}" for suite, name in TEST.findall(file.read())}
    return names


class Series(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(ROOT, "docs", "series.md"), encoding="utf-8") as file:
            self.text = file.read()

    def test_each_test_that_it_names_exists(self):
        named = set(re.findall(r"`([a-z]+/\w+\.\w+)`", self.text)) - {"scripts/series_test.py"}
        self.assertGreater(len(named), 30)
        self.assertEqual(sorted(named - existing()), [])

    def test_each_patch_has_a_row_and_a_test(self):
        rows = re.findall(r"^\| (\d+) \|.*\| ([^|]*)\|$", self.text, flags=re.M)
        self.assertEqual([int(number) for number, _ in rows], list(range(1, 28)))
        self.assertEqual([number for number, tests in rows if "`" not in tests], [])


if __name__ == "__main__":
    unittest.main()
