#if defined(SLUICE_EXPLORE)

#include "fake_smmu.hpp"

#include <sluice/driver/command_queue.hpp>
#include <sluice/hosted/explore.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/hosted/log.hpp>
#include <sluice/hosted/memory.hpp>

#include <gtest/gtest.h>

#include <memory>

namespace sluice::test {
namespace {

using arch::Cerror;
using arch::Command;
using arch::Opcode;
using driver::Wait;
namespace cmd = arch::cmd;

// A StreamID that the SMMU refuses.
constexpr std::uint32_t refused = 0x8000;

// Submitters on a queue of four entries, so that it wraps and fills; stores arrive in any order that the fences allow.
// `Refused`: every other batch has a command that is refused, and nothing of it may follow.
template <unsigned N, bool Refused = false>
class Submitters : public hosted::ExploreTest {
public:
  static constexpr unsigned threads = N;
  static constexpr std::uint32_t batches = 6;

  void before() override {
    world_ = std::make_unique<World>(*this);
    dma(*world_->arena.at(world_->arena.bus_base(), 1), world_->arena.size());
    expect(world_->queue.make(2).ok(), "a queue");
    world_->queue.program();
    world_->registers.write(arch::CR0{}.with(arch::CR0::CMDQEN, 1));
    world_->fake.judge = [this](const Command& c) { return this->judge(c); };
  }
  void thread(unsigned who) override {
    for (std::uint32_t i = 0; i < batches; ++i) {
      const std::array<Command, 2> batch{cmd::cfgi_ste(who << 16 | (2 * i), true),
                                         cmd::cfgi_ste(who << 16 | (2 * i + 1), true)};
      if (Refused && i % 2 == 1) {
        submit_refused(who, i);
        continue;
      }
      const bool waits = Refused || i % 3 != 2;
      expect(world_->queue.submit(batch, waits ? Wait::yes : Wait::no).ok(), "a submission succeeds");
      if (waits) {
        expect(next_[who] == 2 * i + 2, "a SYNC returns when its commands have been consumed");
      }
    }
  }
  void after() override {
    expect(world_->queue.submit(cmd::cfgi_all()).ok(), "the last SYNC");
    for (const auto next : next_) {
      expect(Refused || next == 2 * batches, "every command is consumed once");
    }
    expect(world_->queue.commands() == world_->fake.consumed(), "nothing else is");
  }

private:
  struct World {
    explicit World(Submitters& test)
        : arena{{.size = 1 << 20}}, memory{arena}, irq{test.schedule(), 1}, fake{arena}, registers{fake}, health{log},
          errors{registers, test.sync()}, queue{{memory, test.sync(), test.time(), irq, log},
                                                registers,
                                                errors,
                                                health,
                                                10'000'000} {}
    hosted::Arena arena;
    hosted::Memory memory;
    hosted::Log log;
    hosted::Irq irq;
    FakeSmmu fake;
    driver::Registers registers;
    driver::Health health;
    driver::GlobalErrors errors;
    driver::CommandQueue queue;
  };

  void submit_refused(unsigned who, std::uint32_t i) {
    const std::uint32_t first = who << 16 | (2 * i);
    const bool second_is = i % 4 == 1;
    const std::array<Command, 2> batch{cmd::cfgi_ste(second_is ? first : first | refused, true),
                                       cmd::cfgi_ste(second_is ? (first + 1) | refused : first + 1, true)};
    std::size_t done = 99;
    next_[who] = 2 * i;
    expect(world_->queue.submit_until_illegal(batch, done) == base::Errc::illegal_command, "it is told");
    expect(done == (second_is ? 1U : 0U), "how far it came");
    expect(next_[who] == 2 * i + done, "and it came no farther");
    next_[who] = 2 * i + 2;
  }

  Cerror judge(const Command& c) {
    switch (c.get(Command::Opcode)) {
    case Opcode::CMD_CFGI_STE: {
      const auto sid = static_cast<std::uint32_t>(c.get(Command::StreamID));
      const std::uint32_t who = sid >> 16;
      if ((sid & refused) != 0) {
        return Cerror::ILL;
      }
      expect(who < N && c == cmd::cfgi_ste(sid, true), "a whole command");
      expect(who >= N || next_[who] == (sid & 0xffff), "in its submitter's order");
      next_[who < N ? who : 0] = (sid & 0xffff) + 1;
      break;
    }
    case Opcode::CMD_SYNC:
    case Opcode::CMD_CFGI_STE_RANGE:
      break;
    default:
      expect(false, "a command that was submitted");
    }
    return Cerror::NONE;
  }

  std::unique_ptr<World> world_;
  std::array<std::uint32_t, N> next_{};
};

TEST(CommandQueueExplore, TwoSubmittersLoseNothing) {
  const auto result = hosted::explore<Submitters<2>>({.seeds = 400});
  EXPECT_FALSE(result.failed()) << result.report;
}

TEST(CommandQueueExplore, NothingOfABatchFollowsWhatIsRefused) {
  const auto result = hosted::explore<Submitters<2, true>>({.seeds = 400});
  EXPECT_FALSE(result.failed()) << result.report;
}

TEST(CommandQueueExplore, ThreeSubmittersLoseNothing) {
  const auto result = hosted::explore<Submitters<3>>({.seeds = 200});
  EXPECT_FALSE(result.failed()) << result.report;
}

} // namespace
} // namespace sluice::test

#endif
