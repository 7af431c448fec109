#include <sluice/arch/commands.hpp>
#include <sluice/hosted/port.hpp>
#include <sluice/machine/tlbi_watch.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::machine {
namespace {

using arch::Command;
using testing::ElementsAre;
using testing::IsEmpty;
namespace cmd = arch::cmd;

class NoFrame final : public platform::Mmio {
public:
  std::uint32_t read32(std::uint32_t) override { return 0; }
  void write32(std::uint32_t, std::uint32_t) override {}
  std::uint64_t read64(std::uint32_t) override { return 0; }
  void write64(std::uint32_t, std::uint64_t) override {}
};

class TlbiWatchTest : public testing::Test {
protected:
  static constexpr unsigned log2size = 10;

  TlbiWatchTest() {
    watch.write64(
        arch::CMDQ_BASE::offset,
        arch::CMDQ_BASE{}.with(arch::CMDQ_BASE::ADDR, queue.bus).with(arch::CMDQ_BASE::LOG2SIZE, log2size).raw());
  }
  void give(const std::vector<Command>& commands) {
    for (const Command& c : commands) {
      auto* const entry = queue.as<std::uint64_t>() + 2 * (given & ((1u << log2size) - 1));
      entry[0] = c.w[0];
      entry[1] = c.w[1];
      ++given;
    }
    watch.write32(arch::CMDQ_PROD::offset, given);
  }

  hosted::Port port;
  platform::DmaBlock queue = *port.arena.alloc(sizeof(Command) << log2size, 4096);
  NoFrame frame;
  TlbiWatch watch{frame, port.arena, port.sync};
  std::uint32_t given{};
};

TEST_F(TlbiWatchTest, ATlbiIsCompleteWhenTheSyncBehindItIsConsumed) {
  give({cmd::tlbi_nh_asid(1, 2), cmd::cfgi_ste(3, true), cmd::sync()});
  EXPECT_THAT(watch.take_completed(2), IsEmpty()) << "consumed, but no CMD_SYNC";
  EXPECT_THAT(watch.take_completed(3), ElementsAre(cmd::tlbi_nh_asid(1, 2)));
  EXPECT_THAT(watch.take_completed(3), IsEmpty()) << "once";
}

TEST_F(TlbiWatchTest, TheSyncMayComeLater) {
  give({cmd::tlbi_nh_asid(1, 2)});
  EXPECT_THAT(watch.take_completed(1), IsEmpty());
  give({cmd::tlbi_nh_all(3), cmd::sync(), cmd::tlbi_nh_all(4)});
  EXPECT_THAT(watch.take_completed(4), ElementsAre(cmd::tlbi_nh_asid(1, 2), cmd::tlbi_nh_all(3)));
  give({cmd::sync()});
  EXPECT_THAT(watch.take_completed(5), ElementsAre(cmd::tlbi_nh_all(4)));
}

TEST_F(TlbiWatchTest, MoreThanItRemembersIsTakenForEverything) {
  give(std::vector<Command>(TlbiWatch::most + 1, cmd::tlbi_nh_all(3)));
  EXPECT_THAT(watch.take_completed(given), IsEmpty());
  give({cmd::sync()});
  EXPECT_THAT(watch.take_completed(given), ElementsAre(cmd::tlbi_nsnh_all(), cmd::tlbi_el2_all(), cmd::tlbi_nh_all(3)));
}

} // namespace
} // namespace sluice::machine
