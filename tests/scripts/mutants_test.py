"""Faults have to fit the code that they are planted in, which changes."""

import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

import mutants  # noqa: E402


class EachMutant(unittest.TestCase):
    def test_applies(self):
        for mutant in mutants.all_mutants():
            with self.subTest(mutant.name):
                done = subprocess.run(["git", "apply", "--check", mutant.path], cwd=ROOT, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_names_the_test_that_kills_it(self):
        for mutant in mutants.all_mutants():
            with self.subTest(mutant.name):
                self.assertEqual(mutant.wrong, "")


if __name__ == "__main__":
    unittest.main()
