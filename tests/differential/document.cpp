#include <sluice/differential/departures.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

// docs/qemu-differences.md has the same list as the code.
namespace sluice::differential {
namespace {

std::string document() {
  std::ifstream file{std::filesystem::path{__FILE__}.parent_path() / "../../docs/qemu-differences.md"};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string row(const Departure& d) {
  const std::string versions = d.versions == 3 ? "7.2, 11" : d.concerns(Version::qemu7) ? "7.2" : "11";
  return "| `" + std::string{d.name} + "` | " + versions + " | " + std::string{d.section} + " | " +
         std::string{d.rule} + " | " + std::string{d.qemu} + " |\n";
}

TEST(QemuDifferences, EachDepartureIsInTheDocumentAndNoOther) {
  const std::string text = document();
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n| `"); at != std::string::npos; at = text.find("\n| `", at + 1)) {
    ++rows;
  }
  EXPECT_EQ(rows, departures().size());
  for (const Departure& d : departures()) {
    EXPECT_NE(text.find(row(d)), std::string::npos) << "expected the line\n" << row(d);
  }
}

TEST(QemuDifferences, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const Departure& d : departures()) {
    EXPECT_TRUE(names.insert(d.name).second) << d.name;
    EXPECT_NE(d.versions, 0U);
    EXPECT_EQ(d.apply == nullptr, d.kind == Departure::Kind::fatal);
  }
}

} // namespace
} // namespace sluice::differential
