#include "rig.hpp"

// 3.17: broadcast TLB maintenance, CR2.PTM and ASET.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;

// Streams 1 to 4: stage 1 with ASID 7, ASET 0 and 1, in NS-EL1, and the same in NS-EL2 or NS-EL2-E2H.
// Stream 5: stage 2 with VMID 3. 0x1000 is a page of an ASID, 0x2000 is global.
struct Broadcast : testing::Test {
  static Features features(bool btm = true) {
    auto f = Rig::with_substreams();
    f.btm = btm;
    return f;
  }
  Broadcast() : Broadcast(features(), 0) {}
  Broadcast(const Features& f, std::uint32_t cr2) : rig{f, {}, false} {
    rig.w32<arch::CR2>(cr2);
    rig.w32<arch::CR0>(0xd);
    for (std::uint32_t sid = 1; sid <= 4; ++sid) {
      tree[sid] = rig.tree();
      const auto cd_at = rig.ram.alloc(64, 64);
      rig.put(cd_at, rig.cd(tree[sid], 7).set(Cd::ASET, (sid - 1) & 1));
      rig.put_ste(sid, rig.stage1_ste(cd_at).set(Ste::STRW, sid > 2 ? arch::Strw::el2 : arch::Strw::el1));
    }
    tree[5] = rig.stage2_tree();
    rig.put_ste(5, rig.stage2_ste(tree[5], 3));
    map(0);
    fresh();
    map(0x10'0000);
  }
  void map(std::uint64_t at) {
    for (std::uint32_t sid = 1; sid <= 5; ++sid) {
      const auto flags = sid == 5 ? s2_rw : s1_rw;
      rig.map(tree[sid], 0x1000, at + 0x1000, flags);
      rig.map(tree[sid], 0x2000, at + 0x2000, sid == 5 ? flags : flags & ~(1ULL << 11));
    }
  }
  // The streams of which the ASID's page (1 .. 5) and the global page (a .. e) is fresh.
  std::string fresh() {
    std::string s;
    for (std::uint32_t sid = 1; sid <= 5; ++sid) {
      s += rig.pa(sid, 0x1000) == 0x10'1000U ? std::string(1, static_cast<char>('0' + sid)) : "";
      s += rig.pa(sid, 0x2000) == 0x10'2000U ? std::string(1, static_cast<char>('a' + sid - 1)) : "";
    }
    return s;
  }
  std::string after(const Command& tlbi) {
    rig.smmu->broadcast(tlbi);
    EXPECT_TRUE(rig.smmu->dvm_synced(rig.smmu->dvm_sync()));
    return fresh();
  }
  Rig rig;
  Tree tree[6];
};

TEST_F(Broadcast, ByASIDReachesOnlyTheSharedSet) { EXPECT_EQ(after(tlbi_nh_asid(0, 7)), "1"); }
TEST_F(Broadcast, ByVAReachesOnlyTheSharedSet) { EXPECT_EQ(after(tlbi_nh_va(0, 7, 0x1000, true)), "1"); }
TEST_F(Broadcast, ByVAOfAGlobalPageReachesOnlyTheSharedSet) { EXPECT_EQ(after(tlbi_nh_va(0, 7, 0x2000, true)), "a"); }
TEST_F(Broadcast, ByVAOfAnyASIDReachesBothSets) { EXPECT_EQ(after(tlbi_nh_vaa(0, 0x1000, true)), "12"); }
TEST_F(Broadcast, ByVMIDReachesBothSets) { EXPECT_EQ(after(tlbi_nh_all(0)), "1a2b"); }
TEST_F(Broadcast, AllOfNSEL1AndStage2) { EXPECT_EQ(after(tlbi_nsnh_all()), "1a2b5e"); }
TEST_F(Broadcast, ByIPA) { EXPECT_EQ(after(tlbi_s2_ipa(3, 0x1000, true)), "5"); }
TEST_F(Broadcast, OfAnotherVMIDReachesNothing) { EXPECT_EQ(after(tlbi_s12_vmall(9)), ""); }
TEST_F(Broadcast, AllOfEL2) { EXPECT_EQ(after(tlbi_el2_all()), "3c4d"); }
TEST_F(Broadcast, ByVAOfEL2ReachesOnlyTheSharedSet) { EXPECT_EQ(after(tlbi_el2_va(0, 0x1000, true)), "3"); }
TEST_F(Broadcast, AConfigurationCommandIsNone) { EXPECT_EQ(after(cfgi_all()), ""); }

TEST_F(Broadcast, ACommandDoesNotLookAtASET) {
  rig.run({tlbi_nh_asid(0, 7)});
  EXPECT_EQ(fresh(), "12");
  rig.run({tlbi_nh_va(0, 7, 0x2000, true)});
  EXPECT_EQ(fresh(), "1a2b");
}

TEST_F(Broadcast, ItIsCompletedByADVMSyncOnceNoPortIsWithinAnOlderAccess) {
  Port::Burst burst{*rig.port};
  EXPECT_EQ(burst.translate({1, {}, 0x1000, 1, false, false, false}).address, 0x1000U);
  rig.smmu->broadcast(tlbi_nh_asid(0, 7));
  const auto number = rig.smmu->dvm_sync();
  EXPECT_FALSE(rig.smmu->dvm_synced(number));
  EXPECT_EQ(burst.translate({1, {}, 0x1000, 1, false, false, false}).address, 0x10'1000U);
  EXPECT_TRUE(rig.smmu->dvm_synced(number));
  EXPECT_EQ(rig.smmu->counters().broadcasts, 1U);
}

struct BroadcastE2H : Broadcast {
  BroadcastE2H() : Broadcast(features(), 1) {}
};
TEST_F(BroadcastE2H, ByASIDOfEL2ReachesOnlyTheSharedSet) { EXPECT_EQ(after(tlbi_el2_asid(7)), "3"); }
TEST_F(BroadcastE2H, ByVAOfAnyASIDOfEL2ReachesBothSets) { EXPECT_EQ(after(tlbi_el2_vaa(0x1000, true)), "34"); }

struct BroadcastPTM : Broadcast {
  BroadcastPTM() : Broadcast(features(), 4) {}
};
TEST_F(BroadcastPTM, WithPTMItIsIgnored) {
  EXPECT_EQ(rig.r32<arch::CR2>(), 4U);
  EXPECT_EQ(after(tlbi_nsnh_all()), "");
}

struct BroadcastOff : Broadcast {
  BroadcastOff() : Broadcast(features(false), 4) {}
};
TEST_F(BroadcastOff, WithoutBTMItIsIgnoredAndPTMIsReserved) {
  EXPECT_EQ(rig.r32<arch::CR2>(), 0U);
  EXPECT_EQ(after(tlbi_nsnh_all()), "");
}

TEST(BroadcastStage1, WithoutStage2OnlyVMID0Counts) {
  auto f = Broadcast::features();
  f.version = 1;
  f.stage2 = f.hyp = f.fwb = false;
  Rig rig{f};
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, 0x1000, s1_rw);
  EXPECT_EQ(rig.pa(1, 0x1000), 0x1000U);
  rig.map(s.tree, 0x1000, 0x2000, s1_rw);
  rig.smmu->broadcast(tlbi_nh_all(5));
  EXPECT_EQ(rig.pa(1, 0x1000), 0x1000U);
  rig.smmu->broadcast(tlbi_nh_all(0));
  EXPECT_EQ(rig.pa(1, 0x1000), 0x2000U);
}

} // namespace
} // namespace sluice::model::test
