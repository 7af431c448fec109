// The command queue, with a consumer that does no more than parse each command when CMDQ_PROD is written.
#include <sluice/arch/queues.hpp>
#include <sluice/driver/command_queue.hpp>
#include <sluice/hosted/port.hpp>

#include <benchmark/benchmark.h>

#include <array>

namespace {

using namespace sluice;
using driver::Wait;

class Parser final : public platform::Mmio {
public:
  explicit Parser(hosted::Arena& arena) : arena_{arena} {}

  std::uint32_t read32(std::uint32_t offset) override {
    return offset == arch::CMDQ_CONS::offset ? cons_.load(base::Order::acquire) : 0;
  }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    if (offset == arch::CMDQ_PROD::offset) {
      parse(value);
    }
  }
  std::uint64_t read64(std::uint32_t) override { return 0; }
  void write64(std::uint32_t offset, std::uint64_t value) override {
    if (offset == arch::CMDQ_BASE::offset) {
      const auto base_register = arch::CMDQ_BASE::from(value);
      log2_ = static_cast<unsigned>(base_register.get(arch::CMDQ_BASE::LOG2SIZE));
      const std::uint64_t bus = base_register.get(arch::CMDQ_BASE::ADDR);
      queue_ = static_cast<const base::DmaWord*>(*arena_.at(bus, arch::command_size << log2_));
    }
  }

private:
  void parse(std::uint32_t prod) {
    std::uint32_t at = cons_.load(base::Order::relaxed);
    while (at != prod) {
      const base::DmaWord* words = queue_ + 2 * arch::queue_index(at, log2_);
      arch::Command command;
      command.w[0] = words[0].load(base::Order::relaxed);
      command.w[1] = words[1].load(base::Order::relaxed);
      sum_ += command.get(arch::Command::Opcode) == arch::Opcode::CMD_SYNC ? 1 : command.w[1];
      at = arch::queue_advance(at, log2_);
    }
    cons_.store(at, base::Order::release);
  }

  hosted::Arena& arena_;
  const base::DmaWord* queue_{};
  unsigned log2_{};
  std::uint64_t sum_{};
  alignas(64) base::Atomic<std::uint32_t> cons_{0};
};

struct Bench {
  hosted::Port port;
  Parser parser{port.arena};
  driver::Registers registers{parser};
  driver::Health health{port.log};
  driver::GlobalErrors errors{registers, port.sync};
  driver::CommandQueue queue{port.platform(), registers, errors, health, 1000000};

  Bench() {
    if (!queue.make(10)) {
      std::abort();
    }
    queue.program();
  }
};

void submit(benchmark::State& state, std::size_t commands, Wait wait) {
  static Bench bench;
  std::array<arch::Command, 16> batch{};
  for (std::size_t i = 0; i < commands; ++i) {
    batch[i] = arch::cmd::tlbi_nh_va(0, 1, i << 12, true);
  }
  for (auto _ : state) {
    if (!bench.queue.submit(std::span{batch}.first(commands), wait)) {
      state.SkipWithError("the queue failed");
      break;
    }
  }
}

BENCHMARK_CAPTURE(submit, 1, 1, Wait::no);
BENCHMARK_CAPTURE(submit, 1_sync, 1, Wait::yes);
BENCHMARK_CAPTURE(submit, 16_sync, 16, Wait::yes);
BENCHMARK_CAPTURE(submit, 1_sync_each, 1, Wait::yes)->Threads(2)->UseRealTime();
BENCHMARK_CAPTURE(submit, 16_sync_each, 16, Wait::yes)->Threads(2)->UseRealTime();

} // namespace
