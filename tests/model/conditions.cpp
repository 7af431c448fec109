#include "met.hpp"

#include <sluice/arch/command_forms.hpp>
#include <sluice/arch/names/enums.hpp>
#include <sluice/hosted/enumerators.hpp>
#include <sluice/model/conditions.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

// All that the model can raise, and which test has raised it. With SLUICE_CONDITIONS, the name of a folder, each test
// leaves there what it has met, and EachHasASentence all that there is; scripts/conditions.py makes docs/model.md of
// it.
namespace sluice::model::test {
namespace {

struct Row {
  Condition condition{};
  std::string heading{}, id{}, section{}, sentence{};
};

template <class Enum, class Table>
void add(std::vector<Row>& rows, Condition::Kind kind, const std::string& heading, const std::string& prefix,
         const Table& table) {
  for (const auto& row : table) {
    const auto number = static_cast<std::uint16_t>(row.of);
    rows.push_back({{kind, number},
                    heading,
                    prefix + std::string{hosted::enumerators<Enum, 64>[number]},
                    std::string{row.section},
                    std::string{row.text}});
  }
}

// 4.1.3: of each command whatever can make it illegal. Without the features of an SMMU that is not modelled nothing
// else of a command can be wrong.
void add_illegal_commands(std::vector<Row>& rows) {
  using frame::Illegal;
  const auto add = [&](Illegal why, arch::Opcode opcode, const std::string& id, const std::string& sentence) {
    rows.push_back(
        {{Condition::Kind::illegal_command, illegal_command(why, opcode)}, "CERROR_ILL", id, "4.1.3", sentence});
  };
  add(Illegal::opcode, {}, "opcode", "an opcode that is reserved or IMPLEMENTATION DEFINED");
  for (const auto& form : arch::command_forms) {
    using arch::Feature;
    const std::string name{arch::names::name_of(form.opcode)};
    if (form.needs != Feature::always) {
      add(Illegal::feature, form.opcode, name + ".feature", "without " + std::string{arch::names::name_of(form.needs)});
    }
    if (form.needs == Feature::secure || form.needs == Feature::mpam || form.needs == Feature::dpt) {
      continue;
    }
    const bool ssec = (form.defined[0] & arch::Command::SSec.mask) != 0;
    if (ssec || form.by_range || form.opcode == arch::Opcode::CMD_SYNC || form.opcode == arch::Opcode::CMD_PRI_RESP) {
      add(Illegal::parameters, form.opcode, name + ".parameters",
          ssec                                    ? "SSec is 1"
          : form.by_range                         ? "TG without NUM, SCALE and TTL"
          : form.opcode == arch::Opcode::CMD_SYNC ? "CS is reserved"
                                                  : "Resp is reserved");
    }
    add(Illegal::reserved, form.opcode, name + ".reserved",
        "a reserved bit is 1; not without Knobs::reserved_bits_illegal");
  }
}

void add_places(std::vector<Row>& rows) {
  constexpr const char* headings[] = {"Events", "Responses", "ATS", "PRI", "Queues and GERROR"};
  for (std::size_t number = 0; number < places.size(); ++number) {
    const auto& p = places[number];
    rows.push_back({{Condition::Kind::place, static_cast<std::uint16_t>(number)},
                    headings[static_cast<std::size_t>(p.group)],
                    std::string{p.id},
                    std::string{p.section},
                    (p.event ? std::string{arch::names::name_of(*p.event)} + ": " : "") + std::string{p.sentence}});
  }
}

std::vector<Row> all_rows() {
  using Kind = Condition::Kind;
  std::vector<Row> rows;
  add<Refusal>(rows, Kind::refusal, "SMMUs that are not made", "Refusal::", refusals);
  add<BadSte>(rows, Kind::bad_ste, "C_BAD_STE", "BadSte::", bad_stes);
  add<BadCd>(rows, Kind::bad_cd, "C_BAD_CD", "BadCd::", bad_cds);
  add_illegal_commands(rows);
  add_places(rows);
  for (const auto& row : software_faults) {
    const auto number = static_cast<std::uint16_t>(row.fault);
    rows.push_back({{Kind::software_fault, number},
                    "What software does wrong",
                    "SoftwareFault::" + std::string{hosted::enumerators<SoftwareFault, 64>[number]},
                    row.section,
                    row.sentence});
  }
  add<StaleKind>(rows, Kind::stale_use, "Stale uses", "StaleKind::", stale_kinds);
  return rows;
}

std::ofstream leave(std::string name) {
  const char* folder = std::getenv("SLUICE_CONDITIONS");
  if (folder == nullptr) {
    return {};
  }
  std::replace(name.begin(), name.end(), '/', '+');
  std::filesystem::create_directories(folder);
  return std::ofstream{std::filesystem::path{folder} / name};
}

class LeavesWhatWasMet final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { Met::instance().take(); }
  void OnTestEnd(const testing::TestInfo& info) override {
    const auto met = Met::instance().take();
    if (met.empty() || info.result()->Failed()) {
      return;
    }
    auto file = leave(std::string{info.test_suite_name()} + "." + info.name() + ".met");
    for (const auto& [kind, number] : met) {
      file << static_cast<unsigned>(kind) << '\t' << number << '\n';
    }
  }
};
[[maybe_unused]] const bool listens = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new LeavesWhatWasMet);
  return true;
}();

template <class Enum, class Table>
void each_enumerator_is_in(const Table& table) {
  const auto listed = [&](std::size_t number) {
    return std::count_if(table.begin(), table.end(),
                         [&](const auto& row) { return static_cast<std::size_t>(row.of) == number; });
  };
  for (std::size_t number = 0; number < 64; ++number) {
    const auto name = hosted::enumerators<Enum, 64>[number];
    EXPECT_EQ(listed(number), name.empty() || name == "none" ? 0 : 1) << name;
  }
}

TEST(Conditions, EachReasonIsListedOnce) {
  each_enumerator_is_in<Refusal>(refusals);
  each_enumerator_is_in<BadSte>(bad_stes);
  each_enumerator_is_in<BadCd>(bad_cds);
  each_enumerator_is_in<StaleKind>(stale_kinds);
}

TEST(Conditions, EachHasASentence) {
  auto file = leave("all");
  for (const Row& row : all_rows()) {
    EXPECT_FALSE(row.id.empty() || row.section.empty() || row.sentence.empty()) << row.id;
    file << static_cast<unsigned>(row.condition.kind) << '\t' << row.condition.number << '\t' << row.heading << '\t'
         << row.id << '\t' << row.section << '\t' << row.sentence << '\n';
  }
}

} // namespace
} // namespace sluice::model::test
