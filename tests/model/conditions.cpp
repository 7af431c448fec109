#include "raised.hpp"
#include "rig.hpp"

#include <sluice/model/stalls.hpp>
#include <sluice/model/validity.hpp>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>

// docs/model.md names each condition that the model raises, and for each a test that is here.
namespace sluice::model::test {
namespace {

std::string document() {
  const auto path = std::filesystem::path{__FILE__}.parent_path() / "../../docs/model.md";
  std::ifstream file{path};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> tests_here() {
  std::set<std::string> all;
  const auto& unit = *testing::UnitTest::GetInstance();
  for (int i = 0; i < unit.total_test_suite_count(); ++i) {
    const auto& suite = *unit.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      all.insert(std::string{suite.name()} + "." + suite.GetTestInfo(j)->name());
    }
  }
  return all;
}

template <class Enum>
std::vector<std::string> enumerators() {
  std::vector<std::string> all;
  for (const auto& name : spellings<Enum>()) {
    if (!name.empty() && name != "none" && name != "NONE" && name != "served") {
      all.push_back(name);
    }
  }
  return all;
}

// Of these kinds a test that the document names has to meet what it is named for.
bool is_observed(const std::string& id) {
  return std::regex_match(id, std::regex{"(Refusal|BadSte|BadCd|Cerror)::.*|[FC]_[A-Z_]*"});
}

class EachTestRaisesWhatItIsNamedFor final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { Raised::take(); }
  void OnTestEnd(const testing::TestInfo& info) override {
    const auto met = Raised::take();
    const std::string test = "| `" + std::string{info.test_suite_name()} + "." + info.name() + "` |";
    std::istringstream lines{text_};
    for (std::string line; std::getline(lines, line);) {
      const auto end = line.find('`', 3);
      if (line.rfind("| `", 0) == 0 && end != line.npos && line.ends_with(test)) {
        const std::string id = line.substr(3, end - 3);
        EXPECT_TRUE(!is_observed(id) || met.contains(id)) << "docs/model.md names this test for " << id;
      }
    }
  }
  const std::string text_{document()};
};
[[maybe_unused]] const bool listens = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new EachTestRaisesWhatItIsNamedFor);
  return true;
}();

template <class Enum>
void all_are_listed(const std::string& prefix, std::size_t at_least, const std::set<std::string>& not_raised = {}) {
  const std::string text = document();
  const auto names = enumerators<Enum>();
  EXPECT_GE(names.size(), at_least);
  for (const auto& name : names) {
    EXPECT_TRUE(not_raised.contains(name) || text.find("| `" + prefix + name + "`") != text.npos) << prefix << name;
  }
}

TEST(Conditions, EachRefusalIsInTheDocument) { all_are_listed<Refusal>("Refusal::", 25); }
TEST(Conditions, EachBadSTEIsInTheDocument) { all_are_listed<BadSte>("BadSte::", 20); }
TEST(Conditions, EachBadCDIsInTheDocument) { all_are_listed<BadCd>("BadCd::", 14); }
TEST(Conditions, EachResponseIsInTheDocument) { all_are_listed<Outcome::Kind>("Kind::", 3); }
TEST(Conditions, EachVerdictIsInTheDocument) { all_are_listed<Verdict>("Verdict::", 3); }
TEST(Conditions, EachCommandErrorIsInTheDocument) { all_are_listed<arch::Cerror>("Cerror::", 3); }
TEST(Conditions, EachEventIsInTheDocument) {
  all_are_listed<EventType>("", 15, {"F_UUT", "F_TLB_CONFLICT", "F_CFG_CONFLICT", "E_PAGE_REQUEST", "F_VMS_FETCH"});
}
TEST(Conditions, EachCompletionIsInTheDocument) { all_are_listed<TranslationCompletion::Status>("Status::", 3); }
TEST(Conditions, EachFateOfAPageRequestIsInTheDocument) { all_are_listed<PageRequestFate>("PageRequestFate::", 3); }
TEST(Conditions, EachPRGResponseIsInTheDocument) { all_are_listed<arch::PrgResponse>("PrgResponse::", 3); }

TEST(Conditions, EachSoftwareFaultIsInTheDocument) { all_are_listed<SoftwareFault>("SoftwareFault::", 11); }

TEST(Conditions, EachTestThatTheDocumentNamesIsHere) {
  const auto here = tests_here();
  const std::string text = document();
  const std::regex name{"`([A-Za-z0-9_/]+\\.[A-Za-z0-9_/]+)`"};
  unsigned found = 0;
  for (auto i = std::sregex_iterator{text.begin(), text.end(), name}; i != std::sregex_iterator{}; ++i) {
    const std::string test = (*i)[1];
    if (test.find("cpp") == test.npos && test.find("hpp") == test.npos) {
      EXPECT_TRUE(here.contains(test)) << test;
      ++found;
    }
  }
  EXPECT_GT(found, 150U);
}

} // namespace
} // namespace sluice::model::test
