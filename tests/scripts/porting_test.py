"""docs/porting.md is true: its excerpts are in the files, what it names exists, and no call of a seam is left out. And what
scripts/bare_metal.py takes for a good run."""

import glob
import os
import re
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import bare_metal  # noqa: E402

NAMED = re.compile(r"`([^`\n]+)`")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def headers(*folders):
    return "\n".join(read(path) for folder in folders for path in sorted(glob.glob(os.path.join(ROOT, folder, "*.hpp"))))


class Porting(unittest.TestCase):
    def setUp(self):
        self.text = read("docs", "porting.md")
        self.named = set(NAMED.findall(re.sub(r"^```.*?^```$", "", self.text, flags=re.M | re.S)))

    def test_each_excerpt_is_in_its_file(self):
        excerpts = re.findall(r"^```cpp (\S+)\n(.*?)^```$", self.text, flags=re.M | re.S)
        self.assertGreater(len(excerpts), 5)
        for path, excerpt in excerpts:
            self.assertIn(excerpt, read(path), path)

    def test_each_file_that_it_names_exists(self):
        paths = {name for name in self.named if re.fullmatch(r"\.?[\w./*-]+/[\w.*-]*|\w+\.(?:hpp|cpp|S|md|py)", name)}
        paths = {path for path in paths if not path.startswith("build/")}
        self.assertGreater(len(paths), 8)
        self.assertEqual([path for path in sorted(paths) if not glob.glob(os.path.join(ROOT, path))], [])

    def test_each_member_that_it_names_exists(self):
        code = headers("sluice/iommu", "sluice/driver", "sluice/platform", "sluice/base")
        members = {name for name in self.named if re.fullmatch(r"[A-Z]\w+::\w+", name)}
        self.assertGreater(len(members), 8)
        for name in sorted(members):
            owner, member = name.split("::")
            bodies = re.findall(rf"^(?:class|struct)(?: \[\[nodiscard\]\])? {owner}\b[^;]*?\{{\n(.*?)^\}};", code, flags=re.M | re.S)
            self.assertTrue(any(re.search(rf"\b{member}\b", body) for body in bodies), name)

    def test_each_call_of_the_seams_has_its_contract(self):
        calls = set(re.findall(r"virtual [^;{]*?\b(\w+)\(", headers("sluice/platform")))
        self.assertGreater(len(calls), 20)
        self.assertEqual(sorted(calls - {"on_irq"} - {word for name in self.named for word in re.findall(r"\w+", name)}), [])

    def test_each_fact_of_memory_is_explained(self):
        facts = re.search(r"struct MemoryFacts \{(.*?)\};", read("sluice", "platform", "memory.hpp"), flags=re.S).group(1)
        for fact in re.findall(r"\b(?:bool|unsigned) (\w+)\{", facts):
            self.assertIn(fact, self.named)

    def test_the_example_is_as_long_as_it_says(self):
        lines = sum(read(path).count("\n") for path in glob.glob(os.path.join(ROOT, "ports", "aarch64", "*")))
        self.assertIn(f"beside it: {lines}\nlines", self.text)

    def test_the_run_that_it_shows_is_a_good_one(self):
        self.assertEqual(bare_metal.wrong(self.text), [])


class BareMetal(unittest.TestCase):
    good = "\n".join([f"PASS {step}: x" for step in bare_metal.STEPS] + ["PASS"])

    def test_a_run_with_all_lines_is_good(self):
        self.assertEqual(bare_metal.wrong(self.good), [])

    def test_a_missing_line_is_wrong(self):
        for line in self.good.splitlines():
            without = "\n".join(other for other in self.good.splitlines() if other != line)
            self.assertEqual(len(bare_metal.wrong(without)), 1, line)

    def test_a_failure_is_wrong_whatever_else_is_said(self):
        self.assertEqual(bare_metal.wrong(self.good + "\nFAIL x: 0x1"), ["FAIL x: 0x1"])

    def test_each_function_that_it_plants_a_fault_in_is_the_drivers(self):
        code = headers("sluice/driver")
        for _, function, _, _ in bare_metal.PLANTED:
            if function:
                owner, member = function.rstrip("(").split("::")[-2:]
                bodies = re.findall(rf"^class {owner}\b[^;]*?\{{\n(.*?)^\}};", code, flags=re.M | re.S)
                self.assertTrue(any(re.search(rf"\b{member}\(", body) for body in bodies), function)

    def test_nothing_is_wrong(self):
        self.assertEqual(len(bare_metal.wrong("")), len(bare_metal.STEPS) + 1)


if __name__ == "__main__":
    unittest.main()
