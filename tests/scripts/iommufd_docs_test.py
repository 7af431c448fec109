"""docs/iommufd.md has every call of sluice/iommufd and sluice/vfio, and says of each whether it is there; each difference from
Linux names a test that exists."""

import glob
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def existing():
    names = set()
    for path in glob.glob(os.path.join(ROOT, "tests", "*", "*.cpp")):
        folder = os.path.basename(os.path.dirname(path))
        with open(path, encoding="utf-8") as file:
            names |= {f"{folder}/{suite}.{name}"
                      for suite, name in re.findall(r"^(?:TEST|TEST_F|TEST_P)\((\w+),\s*(\w+)\)", file.read(), flags=re.M)}
    return names


class Iommufd(unittest.TestCase):
    def setUp(self):
        self.text = read("docs", "iommufd.md")
        self.rows = re.findall(r"^\| 0x([0-9a-f]+) \| (\w+) \| (\d+), (\d+) \| (yes|no) \| ([D\d, ]*) ?\|$", self.text, flags=re.M)
        self.device_rows = re.findall(r"^\| (\d+) \| (\w+) \| yes \| ([D\d, ]*) ?\|$", self.text, flags=re.M)

    def test_each_call_of_the_table_has_its_row(self):
        code = re.findall(r"entry<u::(\w+)>\(calls::(\w+)\)", read("sluice", "iommufd", "calls.cpp"))
        self.assertGreater(len(code), 20)
        numbers = dict(re.findall(r"struct (\w+) \{\s*static constexpr std::uint32_t nr = 0x(\w+);", read("sluice", "uapi", "iommufd.hpp")))
        self.assertEqual(sorted((numbers[name], snake(name)) for name, _ in code), sorted((nr, name) for nr, name, *_ in self.rows))

    def test_what_is_there_and_how_long_it_is_are_what_the_tests_expect(self):
        tested = re.findall(r"^call 0x(\w+) (\w+) size (\d+) min (\d+) answer (\w+)", read("tests", "iommufd", "calls.txt"), flags=re.M)
        expected = [(nr, name, size, least, "no" if answer == "EOPNOTSUPP" else "yes") for nr, name, size, least, answer in tested]
        self.assertEqual(sorted(expected), sorted(row[:5] for row in self.rows))

    def test_each_call_of_a_device_has_its_row(self):
        calls = re.findall(r"constexpr std::uint32_t (device_\w+) = call\((\d+)\);", read("sluice", "uapi", "vfio.hpp"))
        self.assertEqual(sorted((nr, name.upper()) for name, nr in calls), sorted(row[:2] for row in self.device_rows))
        handled = set(re.findall(r"u::(device_\w+)", read("sluice", "vfio", "cdev.cpp")))
        self.assertEqual(sorted(name for name, _ in calls), sorted(handled))

    def test_the_differences_are_those_that_the_tables_name_and_each_has_a_test(self):
        text = self.text[self.text.index("## Differences"):]
        told = re.findall(r"^\*\*(D\d+)[. ](.*?)(?=^\*\*D|^## |\Z)", text, flags=re.M | re.S)
        named = {one for row in self.rows for one in re.findall(r"D\d+", row[5])}
        named |= {one for row in self.device_rows for one in re.findall(r"D\d+", row[2])}
        self.assertEqual({one for one, _ in told}, named)
        tests = existing()
        for one, body in told:
            held = re.findall(r"`([a-z]+/\w+\.\w+)`", body)
            self.assertTrue(held, one)
            self.assertEqual([test for test in held if test not in tests], [], one)


if __name__ == "__main__":
    unittest.main()
