#include "rig.hpp"

#include <functional>

namespace sluice::model::test {
namespace {

constexpr std::uint64_t ap_user = 1ULL << 6;
constexpr std::uint64_t ap_ro = 1ULL << 7;
constexpr std::uint64_t pxn = 1ULL << 53;
constexpr std::uint64_t uxn = 1ULL << 54;
constexpr std::uint64_t base = s1_rw & ~ap_user;

// What is granted: lower case without privilege, upper case with.
std::string granted(Rig& rig, std::uint32_t sid, std::uint64_t address) {
  std::string all;
  for (const bool privileged : {false, true}) {
    for (const char kind : {'r', 'w', 'x'}) {
      const auto t = rig.port->translate({sid, {}, address, 1, kind == 'w', kind == 'x', privileged});
      if (t.outcome.served()) {
        all += privileged ? static_cast<char>(kind - 32) : kind;
      } else {
        EXPECT_EQ(t.outcome.event, EventType::F_PERMISSION);
      }
    }
  }
  return all;
}

struct Case {
  const char* name;
  std::uint64_t leaf;
  std::uint64_t table;
  std::function<void(Cd&)> change;
  const char* expected;
  arch::Strw strw{arch::Strw::el1};
};
class Stage1Rights : public testing::TestWithParam<Case> {};

TEST_P(Stage1Rights, AreAsTabulated) {
  const auto& c = GetParam();
  Rig rig;
  auto s = rig.stage1_stream(1);
  Cd cd = rig.cd(s.tree);
  if (c.change) {
    c.change(cd);
  }
  rig.put(s.cd_at, cd);
  rig.put_ste(1, rig.stage1_ste(s.cd_at).set(Ste::STRW, c.strw));
  rig.map(s.tree, 0x1000, rig.ram.alloc(4096), base | c.leaf);
  const auto table = rig.slot(s.tree, 0x1000, 2);
  rig.ram.put(table, rig.ram.get(table) | c.table);
  EXPECT_EQ(granted(rig, 1, 0x1000), c.expected); // by walks and hits alike
  EXPECT_EQ(granted(rig, 1, 0x1000), c.expected);
}

constexpr std::uint64_t table_no_user = 1ULL << 61;
constexpr std::uint64_t table_no_write = 1ULL << 62;
constexpr std::uint64_t table_uxn = 1ULL << 60;
constexpr std::uint64_t table_pxn = 1ULL << 59;

const Case cases[] = {
    {"AP00", 0, 0, {}, "xRWX"},
    {"AP01", ap_user, 0, {}, "rwxRW"}, // writable without privilege: not executable with it
    {"AP10", ap_ro, 0, {}, "xRX"},
    {"AP11", ap_ro | ap_user, 0, {}, "rxRX"},
    {"UXN", ap_ro | ap_user | uxn, 0, {}, "rRX"},
    {"PXN", ap_ro | ap_user | pxn, 0, {}, "rxR"},
    {"WXNOfAWritablePage", 0, 0, [](Cd& c) { c.set(Cd::WXN, 1); }, "xRW"},
    {"WXNOfAUserWritablePage", ap_user, 0, [](Cd& c) { c.set(Cd::WXN, 1); }, "rwRW"},
    {"WXNOfAReadOnlyPage", ap_ro | ap_user, 0, [](Cd& c) { c.set(Cd::WXN, 1); }, "rxRX"},
    {"PANOfAUserPage", ap_user, 0, [](Cd& c) { c.set(Cd::PAN, 1); }, "rwx"},
    {"PANOfAUserReadOnlyPage", ap_user | ap_ro, 0, [](Cd& c) { c.set(Cd::PAN, 1); }, "rxX"},
    {"PANOfAPrivilegedPage", 0, 0, [](Cd& c) { c.set(Cd::PAN, 1); }, "xRWX"},
    {"APTableNoUser", ap_user, table_no_user, {}, "xRWX"},
    {"APTableNoWrite", ap_user, table_no_write, {}, "rxRX"},
    {"APTableNeither", ap_user, table_no_user | table_no_write, {}, "xRX"},
    {"UXNTable", ap_ro | ap_user, table_uxn, {}, "rRX"},
    {"PXNTable", ap_ro | ap_user, table_pxn, {}, "rxR"},
    {"HADIgnoresTables", ap_user, table_no_user | table_no_write | table_uxn | table_pxn,
     [](Cd& c) { c.set(Cd::HAD0, 1); }, "rwxRW"},
    {"PANLooksAtAPTable", ap_user, table_no_user, [](Cd& c) { c.set(Cd::PAN, 1); }, "xRWX"},
    {"EL2IgnoresPrivilege", 0, 0, {}, "rwxRWX", arch::Strw::el2},
    {"EL2ReadOnly", ap_ro, 0, {}, "rxRX", arch::Strw::el2},
    {"EL2XN", uxn, 0, {}, "rwRW", arch::Strw::el2},
    {"EL2IgnoresPXN", pxn, 0, {}, "rwxRWX", arch::Strw::el2},
    {"EL2IgnoresPAN", ap_user, 0, [](Cd& c) { c.set(Cd::PAN, 1); }, "rwxRWX", arch::Strw::el2},
    {"EL2WXN", 0, 0, [](Cd& c) { c.set(Cd::WXN, 1); }, "rwRW", arch::Strw::el2},
};
INSTANTIATE_TEST_SUITE_P(Each, Stage1Rights, testing::ValuesIn(cases), [](const auto& i) { return i.param.name; });

struct Case2 {
  const char* name;
  unsigned s2ap;
  unsigned xn;
  bool xnx;
  const char* expected;
};
class Stage2Rights : public testing::TestWithParam<Case2> {};

TEST_P(Stage2Rights, AreAsTabulated) {
  const auto& c = GetParam();
  Features f;
  f.xnx = c.xnx;
  f.version = c.xnx ? 2 : 0;
  if (!c.xnx) {
    f.bbml = 0;
    f.range_invalidation = f.fwb = f.small_tables = f.hyp = false;
  }
  Rig rig{f};
  const auto tree = rig.stage2_tree();
  rig.put_ste(1, rig.stage2_ste(tree));
  rig.map(tree, 0x1000, rig.ram.alloc(4096),
          (s2_rw & ~(3ULL << 6)) | std::uint64_t{c.s2ap} << 6 | std::uint64_t{c.xn} << 53);
  EXPECT_EQ(granted(rig, 1, 0x1000), c.expected);
  EXPECT_EQ(granted(rig, 1, 0x1000), c.expected);
}

const Case2 cases2[] = {
    {"None", 0, 0, true, "xX"},
    {"Read", 1, 0, true, "rxRX"},
    {"Write", 2, 0, true, "wxWX"},
    {"ReadWrite", 3, 0, true, "rwxRWX"},
    {"NoPrivilegedExecute", 3, 1, true, "rwxRW"},
    {"NoExecute", 3, 2, true, "rwRW"},
    {"NoUserExecute", 3, 3, true, "rwRWX"},
    {"WithoutXNXOnlyBit1", 3, 1, false, "rwxRWX"},
    {"WithoutXNXNoExecute", 3, 2, false, "rwRW"},
    {"WithoutXNXBoth", 3, 3, false, "rwRW"},
};
INSTANTIATE_TEST_SUITE_P(Each, Stage2Rights, testing::ValuesIn(cases2), [](const auto& i) { return i.param.name; });

TEST(Overrides, PRIVCFGAndINSTCFGReplaceWhatTheClientSays) {
  Rig rig;
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, rig.ram.alloc(4096), base | pxn); // u: x, p: rw
  const auto with = [&](arch::PrivilegeOverride p, arch::InstructionOverride i) {
    rig.put_ste(1, rig.stage1_ste(s.cd_at).set(Ste::PRIVCFG, p).set(Ste::INSTCFG, i));
    rig.run({arch::cmd::cfgi_ste(1, true)});
    return granted(rig, 1, 0x1000);
  };
  using P = arch::PrivilegeOverride;
  using I = arch::InstructionOverride;
  EXPECT_EQ(with(P::incoming, I::incoming), "xRW");
  EXPECT_EQ(with(P::reserved, I::reserved), "xRW");
  EXPECT_EQ(with(P::privileged, I::incoming), "rwRW");
  EXPECT_EQ(with(P::unprivileged, I::incoming), "xX");
  EXPECT_EQ(with(P::privileged, I::data), "rwxRWX");
  EXPECT_EQ(with(P::unprivileged, I::instruction), "rxRX"); // reads become fetches; writes stay data
}

TEST(Overrides, TheEventShowsWhatTheOverridesMade) {
  Rig rig;
  const auto s = rig.stage1_stream(1);
  rig.put_ste(1, rig.stage1_ste(s.cd_at)
                     .set(Ste::PRIVCFG, arch::PrivilegeOverride::privileged)
                     .set(Ste::INSTCFG, arch::InstructionOverride::instruction));
  rig.read(1, 0x1000);
  rig.write(1, 0x1000);
  const auto events = rig.events();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].get(Event::PnU), 1U);
  EXPECT_EQ(events[0].get(Event::InD), 1U);
  EXPECT_EQ(events[1].get(Event::InD), 0U);
}

TEST(Overrides, WithoutATTR_PERMS_OVRTheyDoNothing) {
  auto f = Rig::with_substreams();
  f.attr_perms_override = false;
  Rig rig{f};
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, rig.ram.alloc(4096), base);
  rig.put_ste(1, rig.stage1_ste(s.cd_at).set(Ste::PRIVCFG, arch::PrivilegeOverride::privileged));
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_PERMISSION);
}

// 5.4 E0PDx
struct E0PD : testing::Test {
  E0PD() : rig{features()}, stream{rig.stage1_stream(1)} {
    rig.put(stream.cd_at, rig.cd(stream.tree).set(Cd::E0PD0, 1));
    rig.map(stream.tree, 0x1000, rig.ram.alloc(4096), s1_ro);
  }
  static Features features() {
    Features f;
    f.version = 3;
    f.e0pd = f.ptwnnc = true;
    return f;
  }
  Translation read(bool privileged) { return rig.port->translate({1, {}, 0x1000, 1, false, false, privileged}); }
  Rig rig;
  Rig::Stage1Stream stream;
};

TEST_F(E0PD, AnUnprivilegedAccessIsF_TRANSLATIONByWalkAndByTLB) {
  EXPECT_EQ(read(false).outcome.event, EventType::F_TRANSLATION);
  EXPECT_TRUE(read(true).outcome.served());
  EXPECT_EQ(read(false).outcome.event, EventType::F_TRANSLATION);
  EXPECT_TRUE(rig.read(1, 0x1000).recorded);
  EXPECT_EQ(rig.event().get(Event::Type), EventType::F_TRANSLATION);
}

TEST_F(E0PD, APrivilegedWriteToAReadOnlyPageStaysF_PERMISSION) {
  EXPECT_TRUE(read(true).outcome.served());
  EXPECT_EQ(rig.port->translate({1, {}, 0x1000, 1, true, false, true}).outcome.event, EventType::F_PERMISSION);
}

TEST_F(E0PD, IsIgnoredInEL2) {
  rig.put_ste(1, rig.stage1_ste(stream.cd_at).set(Ste::STRW, arch::Strw::el2));
  EXPECT_TRUE(read(false).outcome.served());
}

TEST_F(E0PD, CountsInEL2E2H) {
  rig.w32<arch::CR0>(0xc);
  rig.w32<arch::CR2>(3);
  rig.w32<arch::CR0>(0xd);
  rig.put_ste(1, rig.stage1_ste(stream.cd_at).set(Ste::STRW, arch::Strw::el2));
  EXPECT_EQ(read(false).outcome.event, EventType::F_TRANSLATION);
}

TEST(Permission, AReadOnlyPageRefusesAWrite) {
  Rig rig;
  const auto s = rig.stage1_stream(1);
  const auto page = rig.ram.alloc(4096);
  rig.map(s.tree, 0x1000, page, s1_ro);
  EXPECT_EQ(rig.write(1, 0x1010).event, EventType::F_PERMISSION);
  EXPECT_EQ(rig.ram.get(page + 0x10), 0U);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::S2), 0U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
  EXPECT_EQ(e.get(Event::RnW), 0U);
}

} // namespace
} // namespace sluice::model::test
