"""The comparison with the kernel's headers finds what is wrong, and nothing else."""

import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import uapi  # noqa: E402

PAIRS = """
file sluice/uapi/thing.hpp sluice::uapi linux/iommufd.h
struct Thing iommu_thing
  size wide=__wide
value Kind::one IOMMU_KIND_ONE
value flag IOMMU_FLAG
own limit
"""
OURS = """#pragma once
#include <cstdint>
namespace sluice::uapi {
struct Thing {
  std::uint32_t size{};
  std::uint64_t wide{};
};
enum class Kind : std::uint32_t { one = 1 };
enum Flags : std::uint32_t { flag = 4 };
inline constexpr int limit = 3;
} // namespace sluice::uapi
"""
THEIRS = """
struct iommu_thing {
  unsigned size;
  unsigned long long __wide;
};
#define IOMMU_KIND_ONE 1
enum { IOMMU_FLAG = 1 << 2 };
"""


class Comparison(unittest.TestCase):
    def compare(self, pairs=PAIRS, ours=OURS, theirs=THEIRS):
        with tempfile.TemporaryDirectory() as root:
            files = {"pairs.txt": pairs, "sluice/uapi/thing.hpp": ours, "linux/iommufd.h": theirs}
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return uapi.compare(uapi.read_pairs(os.path.join(root, "pairs.txt")), root, [root])

    def only(self, expected, **files):
        wrong, _ = self.compare(**files)
        self.assertEqual(len(wrong), 1, wrong)
        self.assertIn(expected, wrong[0])

    def test_headers_that_agree_have_nothing_wrong(self):
        self.assertEqual(self.compare(), ([], 7))

    def test_another_offset_is_found(self):
        packed = THEIRS.replace("};\n#define", "} __attribute__((packed));\n#define")
        wrong, _ = self.compare(theirs=packed)
        self.assertTrue(any("offset Thing.wide is 8; Linux: offsetof(struct iommu_thing, __wide) is 4" in w for w in wrong), wrong)

    def test_another_width_in_the_same_size_is_found(self):
        self.only("size Thing.wide is 4", ours=OURS.replace("std::uint64_t wide{};", "std::uint32_t wide alignas(8){};"),
                  pairs=PAIRS.replace("own limit", "own limit Thing.wide"))

    def test_another_constant_is_found(self):
        self.only("flag is 8; Linux: IOMMU_FLAG is 4", ours=OURS.replace("flag = 4", "flag = 8"))
        self.only("Kind::one is 1; Linux: IOMMU_KIND_ONE is 2", theirs=THEIRS.replace("ONE 1", "ONE 2"))

    def test_a_name_of_ours_without_a_line_is_found(self):
        self.only("Thing.wide has no line", pairs=PAIRS.replace(" wide=__wide", ""))
        self.only("Kind::one has no line", pairs=PAIRS.replace("value Kind::one IOMMU_KIND_ONE", ""))
        self.only("limit has no line", pairs=PAIRS.replace("own limit", ""))

    def test_a_call_that_we_do_not_know_is_found(self):
        self.only("IOMMU_NEW", theirs=THEIRS + "#define IOMMU_NEW _IO(';', 0x99)\n")
        self.only("IOMMU_NEW", theirs=THEIRS + "#define IOMMU_NEW \\\n\t_IO(';', 0x99)\n")


class Pairs(unittest.TestCase):
    def test_every_name_of_our_headers_has_a_line(self):
        for section in uapi.read_pairs(uapi.PAIRS):
            with open(os.path.join(ROOT, section.path), encoding="utf-8") as file:
                self.assertEqual(uapi.names_in(file.read()) - section.names, set(), section.path)


if __name__ == "__main__":
    unittest.main()
