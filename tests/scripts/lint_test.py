"""Each rule of scripts/lint.py finds what breaks it, and nothing else."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import lint  # noqa: E402

GOOD = "#pragma once\n\nnamespace sluice::{} {{\nint f();\n}} // namespace sluice::{}\n"


class Lint(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        subprocess.run(["git", "init", "-q"], cwd=self.folder, check=True)
        for path in ("layers", ".clang-format", "scripts/spelling-ignore.txt"):
            os.makedirs(os.path.dirname(os.path.join(self.folder, path)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, path), os.path.join(self.folder, path))
        for layer in ("base", "arch", "driver", "model", "scenario"):
            self.write(f"sluice/{layer}/good.hpp", GOOD.format(layer, layer))

    def write(self, path, text):
        os.makedirs(os.path.dirname(os.path.join(self.folder, path)), exist_ok=True)
        with open(os.path.join(self.folder, path), "w", encoding="utf-8") as file:
            file.write(text)

    def look(self, checks=(lint.house,)):
        lint.ROOT = self.folder
        return "\n".join(lint.lint(checks)[1])

    def source(self, layer, include="", body="int f() { return 1; }"):
        head = f"#include {include}\n\n" if include else ""
        return f"{head}namespace sluice::{layer} {{\n{body}\n}} // namespace sluice::{layer}\n"

    def finds(self, path, text, *expected, checks=(lint.house,)):
        self.write(path, text)
        found = self.look(checks)
        for words in expected:
            self.assertIn(words, found)
        os.remove(os.path.join(self.folder, path))

    def accepts(self, path, text):
        self.write(path, text)
        self.assertEqual(self.look(), "")
        os.remove(os.path.join(self.folder, path))

    def test_a_clean_tree_passes(self):
        self.assertEqual(self.look((lint.house, lint.formatting, lint.spelling)), "")

    def test_includes_follow_the_table(self):
        self.accepts("sluice/driver/a.cpp", self.source("driver", "<sluice/arch/good.hpp>"))
        self.finds("sluice/driver/a.cpp", self.source("driver", "<sluice/model/good.hpp>"),
                   "sluice/driver/a.cpp:1: <sluice/model/good.hpp>", "expected: one of: arch base driver iommu")
        self.finds("sluice/model/a.cpp", self.source("model", "<sluice/driver/good.hpp>"), "sluice/model/a.cpp:1:")
        self.finds("tests/model/a.cpp", "#include <sluice/driver/good.hpp>\n", "tests/model/a.cpp:1:")
        self.accepts("tests/model/a.cpp", "#include <sluice/hosted/good.hpp>\n#include <gtest/gtest.h>\n")

    def test_no_quoted_includes_in_the_house(self):
        self.finds("sluice/driver/a.cpp", self.source("driver", '"good.hpp"'), 'driver/a.cpp:1: "good.hpp"')

    def test_names_for_printing_stay_out_of_the_core(self):
        include = "<sluice/arch/names/ste.hpp>"
        self.finds("sluice/driver/a.cpp", self.source("driver", include), include)
        self.accepts("sluice/model/a.cpp", self.source("model", include))

    def test_the_core_is_freestanding(self):
        self.finds("sluice/driver/a.cpp", self.source("driver", "<vector>"), "<vector>; expected: a freestanding header")
        self.accepts("sluice/model/a.cpp", self.source("model", "<vector>"))
        for body, words in (("int* p = new int;", "'new'"), ("void g() { throw 1; }", "'throw'"),
                            ("void g(int* p) { delete p; }", "'delete'")):
            self.finds("sluice/driver/a.cpp", self.source("driver", body=body), "driver/a.cpp:2: " + words)
            self.accepts("sluice/model/a.cpp", self.source("model", body=body))
        self.accepts("sluice/driver/a.cpp", self.source(
            "driver", body="// a new \"throw\"\nstruct A {\n  A(const A&) = delete;\n};\n"
                           "inline void g(void* p) { ::new (p) int; }\ninline const char* text = \"a new one\";"))

    def test_atomics_go_through_base(self):
        self.finds("sluice/model/a.cpp", self.source("model", "<mutex>"), "<mutex>; expected: base::Atomic")
        self.finds("sluice/model/a.cpp", self.source("model", body="std::atomic<int> a;"), "model/a.cpp:2: std::atomic")
        self.accepts("sluice/hosted/a.cpp", self.source("hosted", "<mutex>"))
        self.accepts("sluice/scenario/a.cpp", self.source("scenario", "<thread>"))

    def test_third_party_only_where_the_table_says(self):
        self.finds("sluice/model/a.cpp", self.source("model", "<fmt/format.h>"), "<fmt/format.h>; expected: no third-party")
        self.accepts("sluice/scenario/a.cpp", self.source("scenario", "<fmt/format.h>"))

    def test_a_layer_is_a_namespace(self):
        self.finds("sluice/model/a.cpp", self.source("driver"), "namespace sluice::driver; expected: namespace sluice::model")
        self.finds("sluice/model/a.cpp", "int f() { return 1; }\n", "model/a.cpp:1: no namespace")
        self.finds("sluice/other/a.cpp", self.source("other"), "no row of `layers`")

    def test_files_hold_one_concept(self):
        self.accepts("sluice/model/a.cpp", self.source("model", body="\n".join(["int f();"] * 318)))
        self.finds("sluice/model/a.cpp", self.source("model", body="\n".join(["int f();"] * 319)), "321 lines")
        self.finds("sluice/model/a.hpp", self.source("model"), "no #pragma once")

    def test_the_example_of_a_port_stays_short(self):
        line = "// a line of a port, in whichever of its files\n"
        self.write("ports/aarch64/start.S", line * 300)
        self.accepts("ports/aarch64/port.cpp", line * 99)
        self.finds("ports/aarch64/port.cpp", line * 100, "400 lines in the 2 files of ports/aarch64", "at most 399")
        os.remove(os.path.join(self.folder, "ports/aarch64/start.S"))

    def test_format_and_spelling(self):
        self.finds("sluice/model/a.cpp", self.source("model", body="int  f();"), "model/a.cpp:2: formatting",
                   checks=(lint.formatting,))
        self.finds("sluice/model/a.cpp", self.source("model", body="// rec" + "ieve\nint f();"), "model/a.cpp:2: rec",
                   checks=(lint.spelling,))

    def test_a_mutant_hits_one_place(self):
        self.write("sluice/model/a.cpp", self.source("model", body="int f() {\n  g();\n  return 1;\n}\nint h() {\n  return 1;\n}"))
        patch = "# kills: test\n--- a/{0}\n+++ b/{0}\n@@ -1,2 +1,2 @@\n{1}-  return 1;\n+  return 2;\n"
        mutant, source, only = "tests/mutants/m.patch", "sluice/model/a.cpp", (lint.planted,)
        self.write(mutant, patch.format(source, "   g();\n"))
        self.assertEqual(self.look(only), "")
        self.finds(mutant, patch.format(source, ""), "m.patch:4: its lines stand 2 times in " + source, checks=only)
        self.finds(mutant, patch.format(source, "   k();\n"), "stand 0 times", checks=only)
        self.finds(mutant, patch.format("sluice/model/b.cpp", ""), "a fault in sluice/model/b.cpp", checks=only)

    def test_the_table_itself(self):
        self.finds("layers", "base core: arch\narch core: base\n", "layers:1: row 'base' names 'arch'")


if __name__ == "__main__":
    unittest.main()
