#include "rig.hpp"

namespace sluice::vsmmu::test {
namespace {

using namespace arch;

class State : public Rig {
protected:
  void SetUp() override {
    Rig::SetUp();
    start();
    put_ste(sid, stage1_ste());
    send({cmd::cfgi_ste(sid, true), cmd::sync()});
  }
  std::vector<std::uint64_t> frame() const {
    std::vector<std::uint64_t> words;
    for (std::uint32_t offset = 0; offset < frame_size; offset += 4) {
      words.push_back(smmu->read(offset, 4));
    }
    return words;
  }
  // The guest goes on on another host.
  base::Status move(const std::vector<std::byte>& state) {
    smmu.reset();
    make(config.features);
    return smmu->restore(state);
  }
};

TEST_F(State, AGuestThatHasMovedSeesTheSame) {
  set<GERROR_IRQ_CFG0>(ram + 0x80); // not while its interrupt is on
  send({Command{}});
  ASSERT_TRUE(stopped());
  const auto before = frame();
  const auto state = smmu->save();
  ASSERT_TRUE(move(state));
  EXPECT_EQ(frame(), before);
  put_command(2, cmd::sync());
  acknowledge();
  EXPECT_EQ(consumed(), 3U) << "the error is the guest's to acknowledge there";
}

TEST_F(State, DevicesComeBeforeOrAfter) {
  const auto state = smmu->save();
  ASSERT_TRUE(move(state));
  add();
  EXPECT_EQ(smmu->place_of(sid), Place::stage1);
  smmu.reset();
  make(config.features);
  add();
  EXPECT_EQ(smmu->place_of(sid), Place::memory);
  ASSERT_TRUE(smmu->restore(state));
  EXPECT_EQ(smmu->place_of(sid), Place::stage1);
}

TEST_F(State, CommandsThatWereLeftAreExecutedThere) {
  enable(CR0::EVENTQEN.mask | CR0::SMMUEN.mask);
  send({cmd::tlbi_nh_asid(0, 9), cmd::sync()});
  ASSERT_EQ(consumed(), 2U);
  ASSERT_TRUE(move(smmu->save()));
  add();
  kernel.invalidations.clear();
  enable();
  EXPECT_EQ(consumed(), 4U);
  EXPECT_EQ(invalidated(), (std::vector<Command>{cmd::tlbi_nh_asid(0, 9)}));
}

TEST_F(State, OtherFeaturesAreRefusedByName) {
  const auto state = smmu->save();
  const auto small = [&](auto change) {
    IdRegisters id = small_features(kernel);
    change(id);
    smmu.reset();
    make(id);
    EXPECT_EQ(smmu->restore(state), base::Errc::missing_feature);
    return smmu->refusal() ? std::string{smmu->refusal()->field} : std::string{"none"};
  };
  EXPECT_EQ(small([](IdRegisters& id) { id.idr3.set(IDR3::RIL, 0); }), "RIL");
  EXPECT_EQ(small([](IdRegisters& id) { id.idr5.set(IDR5::GRAN64K, 0); }), "GRAN64K");
  EXPECT_EQ(small([](IdRegisters& id) { id.idr1.set(IDR1::CMDQS, 9); }), "CMDQS") << "more is not the same either";
}

TEST_F(State, AnythingElseIsRefusedAndChangesNothing) {
  const auto good = smmu->save();
  const auto before = frame();
  const auto refused = [&](auto change) {
    auto state = good;
    change(state);
    const auto status = smmu->restore(state);
    EXPECT_EQ(frame(), before);
    return status;
  };
  EXPECT_EQ(refused([](auto& s) { s.pop_back(); }), base::Errc::bad_size);
  EXPECT_EQ(refused([](auto& s) { s.push_back({}); }), base::Errc::bad_size);
  EXPECT_EQ(refused([](auto& s) { s[0] ^= std::byte{1}; }), base::Errc::unsupported);
  EXPECT_EQ(refused([](auto& s) { s[4] = std::byte{3}; }), base::Errc::unsupported);
  EXPECT_EQ(refused([](auto& s) { s[4] = std::byte{0}; }), base::Errc::unsupported);
  EXPECT_EQ(refused([](auto& s) { s[40] = std::byte{2}; }), base::Errc::reserved_bits);
  EXPECT_EQ(refused([](auto& s) { s[44] = std::byte{1}; }), base::Errc::bad_size);
  EXPECT_EQ(refused([](auto& s) { s[48] ^= std::byte{1}; }), base::Errc::invalid_argument) << "CR0, not CR0ACK";
  EXPECT_TRUE(smmu->restore(good));
}

TEST_F(State, TheFirstVersionIsTakenToo) {
  auto state = smmu->save();
  const auto same = state;
  state[4] = std::byte{1};
  ASSERT_TRUE(move(state));
  EXPECT_TRUE(smmu->save() == same);
}

// Each bit of a saved state is one that is taken as it is, or refused.
TEST_F(State, NoBitOfAStateGetsLost) {
  enable(CR0::EVENTQEN.mask | CR0::SMMUEN.mask); // commands would go on there
  const auto good = smmu->save();
  for (std::size_t bit = 48 * 8; bit < good.size() * 8; ++bit) {
    auto state = good;
    state[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    ASSERT_TRUE(smmu->restore(good));
    if (smmu->restore(state)) {
      const auto again = smmu->save();
      EXPECT_TRUE(again != good) << "bit " << bit;
    } else {
      EXPECT_TRUE(smmu->save() == good) << "bit " << bit;
    }
  }
}

} // namespace
} // namespace sluice::vsmmu::test
