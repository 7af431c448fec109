#include "rig.hpp"

#include <sluice/model/presets.hpp>

// What is not modelled, as software meets it: not there by the ID registers, and refused where it is used all the same.
namespace sluice::model::test {
namespace {

using arch::IDR0;
using arch::IDR1;
using arch::IDR3;
using arch::IDR5;

TEST(OutOfScope, NoPresetsIDRegistersOfferIt) {
  for (const auto& preset : presets) {
    const auto id = identity(preset.features);
    EXPECT_EQ(id.idr0.get(IDR0::RME_IMPL) | id.idr0.get(IDR0::ATOS) | id.idr0.get(IDR0::VATOS), 0U) << preset.name;
    EXPECT_EQ(id.idr0.get(IDR0::TTF), arch::Ttf::aarch64) << preset.name;
    EXPECT_EQ(id.idr0.get(IDR0::TTENDIAN), arch::TtEndian::little) << preset.name;
    EXPECT_EQ(id.idr1.get(IDR1::ECMDQ), 0U) << preset.name;
    EXPECT_EQ(id.idr3.get(IDR3::MPAM) | id.idr3.get(IDR3::DPT), 0U) << preset.name;
    EXPECT_EQ(id.idr5.get(IDR5::DS) | id.idr5.get(IDR5::D128), 0U) << preset.name;
  }
}

// 6.2
TEST(OutOfScope, ItsRegistersReadZeroAndIgnoreWrites) {
  Rig rig{*preset("full")};
  constexpr std::uint32_t offsets[] = {
      0x8000, 0x8004, 0x8020,  0x8028, 0x803c, 0x8044, // S_IDR0, S_IDR1, S_CR0, S_CR1, S_INIT, S_GBPA
      0x8080, 0x8090, 0x80a0,                          // S_STRTAB_BASE, S_CMDQ_BASE, S_EVENTQ_BASE
      0x100,  0x108,  0x110,   0x118,                  // GATOS
      0x130,  0x138,  0x13c,                           // MPAM
      0x180,  0x190,  0x200,   0x208,  0x210,          // VATOS_SEL, IDR6, DPT
      0x4000, 0x4008, 0x20a00,                         // CMDQ_CONTROL_PAGE, VATOS_CTRL
  };
  for (const std::uint32_t offset : offsets) {
    rig.smmu->write(offset, 4, ~0U);
    EXPECT_EQ(rig.smmu->read(offset, 4), 0U) << std::hex << offset;
  }
}

TEST(OutOfScope, DPT_WALK_ENIsNotAcknowledged) {
  Rig rig{*preset("full")};
  const auto before = rig.r32<arch::CR0>();
  rig.w32<arch::CR0>(before | static_cast<std::uint32_t>(arch::CR0::DPT_WALK_EN.mask));
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), before);
}

// 5.2, 5.4
TEST(OutOfScope, StructuresThatAskForItAreIllegal) {
  Rig rig{*preset("full")};
  const auto s2 = rig.stage2_tree();
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(rig.tree()));
  const auto answer = [&](const Ste& ste) {
    rig.put_ste(1, ste);
    rig.run({arch::cmd::cfgi_ste(1, true)});
    return rig.read(1, 0x1000).event;
  };
  const Ste nested = rig.nested(rig.stage1_ste(cd_at), rig.stage2_ste(s2));
  EXPECT_EQ(answer(rig.stage2_ste(s2)), EventType::F_TRANSLATION);
  EXPECT_EQ(answer(rig.stage2_ste(s2).set(Ste::S2AA64, 0)), EventType::C_BAD_STE) << "VMSAv8-32, D128";
  EXPECT_EQ(answer(rig.stage2_ste(s2).set(Ste::S2ENDI, 1)), EventType::C_BAD_STE);
  EXPECT_EQ(answer(rig.stage2_ste(s2).set(Ste::S2DS, 1)), EventType::C_BAD_STE);
  EXPECT_EQ(answer(rig.stage2_ste(s2).set(Ste::S2NSW, 1)), EventType::C_BAD_STE) << "Secure";
  EXPECT_EQ(answer(rig.stage2_ste(s2).set(Ste::MECID, 1)), EventType::C_BAD_STE) << "Realm";
  EXPECT_EQ(answer(rig.stage2_ste(s2).set(Ste::DPT_VMATCH, 1)), EventType::C_BAD_STE);
  EXPECT_EQ(answer(Ste{nested}.set(Ste::S1MPAM, 1)), EventType::C_BAD_STE);
  EXPECT_EQ(answer(rig.stage1_ste(cd_at).set(Ste::STRW, arch::Strw::el3)), EventType::C_BAD_STE);
  const auto with_cd = [&](const Cd& cd) {
    rig.put(cd_at, cd);
    return answer(rig.stage1_ste(cd_at));
  };
  const Cd cd = rig.cd(rig.tree());
  EXPECT_EQ(with_cd(cd), EventType::F_TRANSLATION);
  EXPECT_EQ(with_cd(Cd{cd}.set(Cd::AA64, 0)), EventType::C_BAD_CD);
  EXPECT_EQ(with_cd(Cd{cd}.set(Cd::ENDI, 1)), EventType::C_BAD_CD);
  EXPECT_EQ(with_cd(Cd{cd}.set(Cd::DS, 1)), EventType::C_BAD_CD);
  EXPECT_EQ(with_cd(Cd{cd}.set(Cd::NSCFG0, 1)), EventType::C_BAD_CD);
}

// 5.2 EATS: 0b11 is as 0b00 without IDR3.DPT.
TEST(OutOfScope, ATSWithADPTIsATSSwitchedOff) {
  Rig rig{*preset("full")};
  rig.put_ste(1, rig.stage2_ste(rig.stage2_tree()).set(Ste::EATS, arch::Eats::full_dpt));
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_TRANSLATION);
  Port::Burst burst{*rig.port};
  const auto answer = burst.request_translation({1, {}, 0x1000, false, false, false});
  EXPECT_EQ(answer.completion.status, TranslationCompletion::Status::unsupported_request);
  EXPECT_EQ(answer.event, EventType::F_BAD_ATS_TREQ);
}

} // namespace
} // namespace sluice::model::test
