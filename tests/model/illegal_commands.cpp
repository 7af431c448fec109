#include "rig.hpp"

#include <sluice/arch/command_forms.hpp>
#include <sluice/arch/names/enums.hpp>

#include <bit>
#include <string>
#include <vector>

// 4.1.3: what the table of command forms says, for each command of an SMMU that has all that is modelled.
namespace sluice::model::test {
namespace {

using arch::CommandForm;

Features with_everything() {
  Features f = Rig::with_substreams();
  f.ats = f.pri = true;
  f.stall_model = 0;
  f.stall_max = 4;
  return f;
}

bool is_here(const CommandForm& form) {
  using arch::Feature;
  return form.needs != Feature::secure && form.needs != Feature::mpam && form.needs != Feature::dpt;
}

template <class Wanted>
std::vector<CommandForm> forms(Wanted wanted) {
  std::vector<CommandForm> all;
  for (const auto& form : arch::command_forms) {
    if (is_here(form) && wanted(form)) {
      all.push_back(form);
    }
  }
  return all;
}

void expect_illegal(const Command& command) {
  Rig rig{with_everything()};
  rig.submit(command);
  EXPECT_EQ(rig.command_error(), arch::Cerror::ILL);
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>() & 0xfffff, 0U);
}

Command bare(const CommandForm& form) { return Command{}.set(Command::Opcode, form.opcode); }

std::string name_of(const testing::TestParamInfo<CommandForm>& info) {
  return std::string{arch::names::name_of(info.param.opcode)}.substr(4); // without CMD_
}

class ReservedBit : public testing::TestWithParam<CommandForm> {};
TEST_P(ReservedBit, OfACommandIsCERROR_ILL) {
  const auto reserved = arch::reserved_bits(GetParam(), true, false);
  Command command = bare(GetParam());
  const std::size_t word = reserved[0] != 0 ? 0 : 1;
  command.w[word] |= 1ULL << std::countr_zero(reserved[word]);
  expect_illegal(command);
}
INSTANTIATE_TEST_SUITE_P(Each, ReservedBit, testing::ValuesIn(forms([](const CommandForm&) { return true; })), name_of);

class SSec : public testing::TestWithParam<CommandForm> {};
TEST_P(SSec, OfANonSecureCommandIsCERROR_ILL) { expect_illegal(bare(GetParam()).set(Command::SSec, 1)); }
INSTANTIATE_TEST_SUITE_P(Each, SSec, testing::ValuesIn(forms([](const CommandForm& form) {
                           return (form.defined[0] & Command::SSec.mask) != 0;
                         })),
                         name_of);

TEST(IllegalCommand, APRI_RESPWithAReservedRespIsCERROR_ILL) {
  expect_illegal(arch::cmd::pri_resp(1, 1, arch::PriResponse::reserved));
}

} // namespace
} // namespace sluice::model::test
