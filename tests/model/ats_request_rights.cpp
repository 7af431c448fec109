#include "ats.hpp"

namespace sluice::model::test {
namespace {

using CompletionStatus = TranslationCompletion::Status;

struct AtsRightsCase {
  const char* name;
  std::uint64_t page;
  bool no_write, execute, privileged;
  const char* granted; // of "rwxp"
  arch::PrivilegeOverride privcfg{};
  arch::InstructionOverride instcfg{};
};
class AtsRights : public testing::TestWithParam<AtsRightsCase> {};

// 13.7, 13.7.1
TEST_P(AtsRights, AreGrantedFromWhatThePageHasForThatPrivilege) {
  const auto& p = GetParam();
  AtsRig rig;
  const Tree t = rig.tree();
  const std::uint64_t cds = rig.ram.alloc(256, 256);
  rig.put(cds + 64, rig.cd(t));
  rig.put_ste(
      3, rig.full(rig.stage1_ste(cds)).set(Ste::S1CDMax, 2).set(Ste::PRIVCFG, p.privcfg).set(Ste::INSTCFG, p.instcfg));
  rig.map(t, ats_va, ats_pa, (s1_rw & ~ats_ap_user) | p.page);
  const auto c = rig.completion({.stream_id = 3,
                                 .substream_id = 1,
                                 .address = ats_va,
                                 .no_write = p.no_write,
                                 .execute = p.execute,
                                 .privileged = p.privileged});
  std::string got;
  got += c.read ? "r" : "";
  got += c.write ? "w" : "";
  got += c.execute ? "x" : "";
  got += c.privileged ? "p" : "";
  EXPECT_EQ(got, p.granted);
  EXPECT_FALSE(c.global);
}

constexpr auto as_privileged = arch::PrivilegeOverride::privileged;
constexpr auto as_unprivileged = arch::PrivilegeOverride::unprivileged;
constexpr auto as_asked = arch::PrivilegeOverride{};
constexpr auto as_fetch = arch::InstructionOverride::instruction;
constexpr auto as_data = arch::InstructionOverride::data;
const AtsRightsCase ats_rights_cases[] = {
    {"ReadOnly", ats_ap_user | ats_ap_ro, true, false, false, "r"},
    {"ReadWrite", ats_ap_user, false, false, false, "rw"},
    {"WriteThatNobodyAskedFor", ats_ap_user, true, false, false, "rw"},
    {"WriteToAReadOnlyPage", ats_ap_user | ats_ap_ro, false, false, false, "r"},
    {"ExecuteAsked", ats_ap_user, false, true, false, "rwx"},
    {"ExecuteNotAsked", ats_ap_user, false, false, false, "rw"},
    {"ExecuteNever", ats_ap_user | ats_xn, false, true, false, "rw"},
    {"ExecuteOnlyIsNoAccess", 0, false, true, false, ""},
    {"NothingUnprivileged", ats_xn, false, true, false, ""},
    {"Privileged", ats_xn, false, true, true, "rwxp"},
    {"PrivilegedNeverExecutes", ats_pxn, false, true, true, "rwp"},
    {"PrivilegedDeniedKeepsItsPriv", ats_ap_ro | ats_pxn, false, true, true, "rp"},
    {"OverriddenToPrivileged", ats_xn, false, true, false, "rwx", as_privileged},
    {"OverriddenToUnprivileged", ats_xn, false, true, true, "p", as_unprivileged},
    {"FetchesOfAnExecuteOnlyPage", 0, false, true, false, "rx", as_asked, as_fetch},
    {"FetchesWithoutAsking", 0, true, false, false, "r", as_asked, as_fetch},
    {"FetchesOfAPageThatIsNotExecuted", ats_ap_user | ats_xn, false, true, false, "w", as_asked, as_fetch},
    {"DataExecutesWhatItReads", ats_ap_user | ats_xn, false, true, false, "rwx", as_asked, as_data},
};
INSTANTIATE_TEST_SUITE_P(Each, AtsRights, testing::ValuesIn(ats_rights_cases),
                         [](const auto& i) { return i.param.name; });

TEST(TranslationRequests, WithoutAPASIDAreUnprivilegedData) {
  AtsRig rig;
  const Tree t = rig.ats_stream(3);
  rig.map(t, ats_va, ats_pa, s1_rw & ~ats_ap_user);
  auto c = rig.completion({.stream_id = 3, .address = ats_va, .execute = true, .privileged = true});
  EXPECT_FALSE(c.read || c.write || c.execute || c.privileged);
  rig.map(t, ats_va + 0x1000, ats_pa, s1_rw);
  c = rig.completion({.stream_id = 3, .address = ats_va + 0x1000, .execute = true});
  EXPECT_TRUE(c.read && c.write);
  EXPECT_FALSE(c.execute);
}

TEST(TranslationRequests, AWriteThatNobodyAskedForIsAKnob) {
  AtsRig rig{AtsRig::with_ats(), {.grant_unasked_write = false}};
  const Tree t = rig.ats_stream(3);
  rig.map(t, ats_va, ats_pa, s1_rw);
  EXPECT_FALSE(rig.completion({.stream_id = 3, .address = ats_va, .no_write = true}).write);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va}).write);
}

TEST(TranslationRequests, ThatMissWriteAtStage2GetReadAlone) {
  AtsRig rig;
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, ats_va, ats_pa, s2_rw & ~(1ULL << 6)); // write-only
  rig.put_ste(3, rig.full(rig.stage2_ste(s2)));
  const auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_FALSE(c.read);
  EXPECT_TRUE(c.write);
}

// 3.13.7
class AtsHttu : public testing::Test {
protected:
  AtsHttu() {
    t = rig.tree();
    rig.put(cd_at, rig.cd(t).set(Cd::HA, 1).set(Cd::HD, 1));
    rig.put_ste(3, rig.full(rig.stage1_ste(cd_at)));
  }
  std::uint64_t leaf() { return rig.ram.get(rig.slot(t, ats_va, 3)); }

  AtsRig rig;
  Tree t;
  std::uint64_t cd_at = rig.ram.alloc(64, 64);
};

TEST_F(AtsHttu, ARequestSetsTheAccessFlag) {
  rig.map(t, ats_va, ats_pa, s1_rw & ~ats_af);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va, .no_write = true}).read);
  EXPECT_NE(leaf() & ats_af, 0u);
}

TEST_F(AtsHttu, ARequestToWriteMakesACleanPageDirtyBeforeItGetsW) {
  rig.map(t, ats_va, ats_pa, s1_ro | ats_dbm);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va}).write);
  EXPECT_EQ(leaf() & ats_ap_ro, 0u);
}

TEST_F(AtsHttu, ACleanPageThatIsCachedIsMadeDirtyAllTheSame) {
  rig.map(t, ats_va, ats_pa, s1_ro | ats_dbm);
  EXPECT_FALSE(rig.completion({.stream_id = 3, .address = ats_va, .no_write = true}).write);
  EXPECT_NE(leaf() & ats_ap_ro, 0u);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va}).write);
  EXPECT_EQ(leaf() & ats_ap_ro, 0u);
}

TEST_F(AtsHttu, WithoutHDACleanPageIsReadOnly) {
  rig.put(cd_at, rig.cd(t).set(Cd::HA, 1));
  rig.map(t, ats_va, ats_pa, s1_ro | ats_dbm);
  EXPECT_FALSE(rig.completion({.stream_id = 3, .address = ats_va}).write);
  EXPECT_NE(leaf() & ats_ap_ro, 0u);
}

TEST_F(AtsHttu, AReadOnlyPageOfStage1LeavesStage2Clean) {
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, 0, 0, s2_rw, 1);
  const std::uint64_t at = rig.map(s2, 0x4000'0000, ats_pa, s2_ro | ats_dbm);
  rig.put_ste(3, rig.full(rig.nested(rig.stage1_ste(cd_at), rig.stage2_ste(s2))).set(Ste::S2HA, 1).set(Ste::S2HD, 1));
  rig.map(t, ats_va, 0x4000'0000, s1_ro);
  auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_TRUE(c.read);
  EXPECT_FALSE(c.write);
  EXPECT_EQ(rig.ram.get(at) & (2ULL << 6), 0u);
  rig.map(t, ats_va + 0x1000, 0x4000'0000, s1_rw);
  c = rig.completion({.stream_id = 3, .address = ats_va + 0x1000});
  EXPECT_TRUE(c.write);
  EXPECT_NE(rig.ram.get(at) & (2ULL << 6), 0u);
}

TEST_F(AtsHttu, AnUpdateThatTheBusRefusesIsACompleterAbort) {
  rig.map(t, ats_va, ats_pa, s1_rw & ~ats_af);
  rig.ram.forbid_exchanges();
  EXPECT_EQ(rig.ask({.stream_id = 3, .address = ats_va}).completion.status, CompletionStatus::completer_abort);
}

} // namespace
} // namespace sluice::model::test
