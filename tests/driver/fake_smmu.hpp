#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/pri.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/mmio_order.hpp>
#include <sluice/platform/mmio.hpp>

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace sluice::test {

// What a register frame with a command queue behind it looks like to a driver, and nothing more: commands are taken
// from the queue when CMDQ_PROD is written, and none has an effect. It writes down what it sees and misbehaves when
// told to.
class FakeSmmu : public platform::Mmio {
public:
  struct Seen {
    enum class Kind { write, command };
    Kind kind{};
    std::uint32_t offset{};
    std::uint64_t value{};
    arch::Command command{};
  };

  explicit FakeSmmu(hosted::Arena& arena) : arena_{arena} {
    using namespace arch;
    id(IDR0{}
           .with(IDR0::S1P, 1)
           .with(IDR0::S2P, 1)
           .with(IDR0::TTF, Ttf::aarch64)
           .with(IDR0::COHACC, 1)
           .with(IDR0::ASID16, 1)
           .with(IDR0::VMID16, 1)
           .with(IDR0::TTENDIAN, TtEndian::little)
           .with(IDR0::STALL_MODEL, StallModel::terminate)
           .with(IDR0::ST_LEVEL, StLevel::two_level));
    id(IDR1{}.with(IDR1::SIDSIZE, 16).with(IDR1::CMDQS, 8).with(IDR1::EVENTQS, 7).with(IDR1::ATTR_TYPES_OVR, 1));
    id(IDR3{}.with(IDR3::RIL, 1));
    id(IDR5{}.with(IDR5::OAS, AddressSize::bits48).with(IDR5::GRAN4K, 1).with(IDR5::GRAN64K, 1));
    id(AIDR{}.with(AIDR::ArchMinorRev, 1));
  }

  template <class R>
  void id(R r) {
    registers_[R::offset] = r.raw();
  }
  template <class R>
  R get() {
    const std::scoped_lock lock{mutex_};
    return R::from(static_cast<typename R::Raw>(registers_[R::offset]));
  }
  template <class R>
  void set(R r) {
    const std::scoped_lock lock{mutex_};
    registers_[R::offset] = r.raw();
  }

  // Misbehaviour.
  std::set<std::uint32_t> deaf;                               // writes there are never acknowledged
  std::map<std::uint32_t, unsigned> deaf_after;               // ... after so many were
  std::function<arch::Cerror(const arch::Command&)> judge;    // which commands fail, and how
  std::function<void(const arch::Command&)> on_command;       // consumed
  std::function<void(std::uint32_t, std::uint64_t)> on_write; // of a register
  bool stopped{};                                             // consumes nothing
  std::uint64_t stop_after{~0ULL};                            // commands, then stopped
  bool keep_err{};                                            // CONS.ERR stays after a recovery
  bool fetch_aborts{};

  std::vector<Seen> seen() {
    const std::scoped_lock lock{mutex_};
    return seen_;
  }
  void forget() {
    const std::scoped_lock lock{mutex_};
    seen_.clear();
  }
  std::vector<arch::Command> commands() {
    std::vector<arch::Command> all;
    for (const auto& s : seen()) {
      if (s.kind == Seen::Kind::command) {
        all.push_back(s.command);
      }
    }
    return all;
  }
  std::size_t count(arch::Opcode opcode) {
    std::size_t n = 0;
    for (const auto& c : commands()) {
      n += c.get(arch::Command::Opcode) == opcode;
    }
    return n;
  }
  void go_on() {
    const std::scoped_lock lock{mutex_};
    stopped = false;
    consume();
  }
  std::uint64_t consumed() {
    const std::scoped_lock lock{mutex_};
    return consumed_;
  }

  // What has arrived in memory; 0 where there is none. No turn for other threads under the explorer: this is locked.
  std::uint64_t load(std::uint64_t bus) {
    const auto at = arena_.at(bus, 8);
    return at ? __atomic_load_n(static_cast<const std::uint64_t*>(*at), __ATOMIC_ACQUIRE) : 0;
  }

  // A record in the event queue, as the SMMU writes it; false if it was full.
  bool put_event(const std::array<std::uint64_t, 4>& words) {
    const std::scoped_lock lock{mutex_};
    return put<arch::EVENTQ_BASE, arch::EVENTQ_PROD, arch::EVENTQ_CONS>(words);
  }
  // The same in the PRI queue, in which nothing is written until an overflow has been acknowledged. 8.2
  bool put_page_request(const arch::PriRecord& record) {
    const std::scoped_lock lock{mutex_};
    const bool lost =
        ((registers_[arch::PRIQ_PROD::offset] ^ registers_[arch::PRIQ_CONS::offset]) & arch::queue_flag) != 0;
    return !lost && put<arch::PRIQ_BASE, arch::PRIQ_PROD, arch::PRIQ_CONS>(record.w);
  }
  // Activates errors. 6.3.19
  void raise(arch::GERROR bits) {
    const std::scoped_lock lock{mutex_};
    registers_[arch::GERROR::offset] ^= bits.raw();
  }

  std::uint32_t read32(std::uint32_t offset) override { return static_cast<std::uint32_t>(read64(offset)); }
  std::uint64_t read64(std::uint32_t offset) override {
    return hosted::mmio_load([&] {
      const std::scoped_lock lock{mutex_};
      return registers_[offset];
    });
  }
  void write32(std::uint32_t offset, std::uint32_t value) override { write64(offset, value); }
  void write64(std::uint32_t offset, std::uint64_t value) override {
    hosted::mmio_store([this, offset, value] { write(offset, value); });
  }

private:
  template <class Base, class Prod, class Cons, std::size_t N>
  bool put(const std::array<std::uint64_t, N>& words) {
    using namespace arch;
    const auto where = Base::from(registers_[Base::offset]);
    const auto log2 = static_cast<unsigned>(where.get(Base::LOG2SIZE));
    auto& prod = registers_[Prod::offset];
    const auto cons = static_cast<std::uint32_t>(registers_[Cons::offset]);
    if (queue_full(static_cast<std::uint32_t>(prod), cons, log2)) {
      if (((prod ^ cons) & queue_flag) == 0) {
        prod ^= queue_flag;
      }
      return false;
    }
    const std::uint64_t at = where.get(Base::ADDR) + 8 * N * queue_index(static_cast<std::uint32_t>(prod), log2);
    auto* to = static_cast<std::uint64_t*>(*arena_.at(at, 8 * N));
    for (std::size_t i = 0; i < N; ++i) {
      __atomic_store_n(to + i, words[i], __ATOMIC_RELEASE);
    }
    prod = (prod & queue_flag) | queue_advance(static_cast<std::uint32_t>(prod), log2);
    return true;
  }

  void write(std::uint32_t offset, std::uint64_t value) {
    using namespace arch;
    const std::scoped_lock lock{mutex_};
    seen_.push_back({Seen::Kind::write, offset, value, {}});
    if (on_write) {
      on_write(offset, value);
    }
    registers_[offset] = value;
    if (deaf.contains(offset)) {
      return;
    }
    if (auto it = deaf_after.find(offset); it != deaf_after.end() && it->second-- == 0) {
      deaf.insert(offset);
      return;
    }
    switch (offset) {
    case CR0::offset:
      registers_[CR0ACK::offset] = value;
      consume();
      break;
    case IRQ_CTRL::offset:
      registers_[IRQ_CTRLACK::offset] = value;
      break;
    case GBPA::offset:
      registers_[offset] = GBPA::from(static_cast<std::uint32_t>(value)).with(GBPA::Update, 0).raw();
      break;
    case CMDQ_PROD::offset:
    case GERRORN::offset:
      consume();
      break;
    default:
      break;
    }
  }

  void consume() {
    using namespace arch;
    const auto where = CMDQ_BASE::from(registers_[CMDQ_BASE::offset]);
    const auto log2 = static_cast<unsigned>(where.get(CMDQ_BASE::LOG2SIZE));
    for (;;) {
      const auto prod = static_cast<std::uint32_t>(registers_[CMDQ_PROD::offset]);
      auto cons = CMDQ_CONS::from(static_cast<std::uint32_t>(registers_[CMDQ_CONS::offset]));
      const auto at = static_cast<std::uint32_t>(cons.get(CMDQ_CONS::RD));
      const bool enabled =
          CR0ACK::from(static_cast<std::uint32_t>(registers_[CR0ACK::offset])).get(CR0ACK::CMDQEN) != 0;
      const bool error = ((registers_[GERROR::offset] ^ registers_[GERRORN::offset]) & 1) != 0;
      if (!enabled || error || stopped || consumed_ >= stop_after || queue_empty(prod, at, log2)) {
        return;
      }
      const std::uint64_t from = where.get(CMDQ_BASE::ADDR) + command_size * queue_index(at, log2);
      Command command;
      command.w = {load(from), load(from + 8)};
      const Cerror verdict = fetch_aborts ? Cerror::ABT : judge ? judge(command) : Cerror::NONE;
      if (verdict != Cerror::NONE) {
        registers_[CMDQ_CONS::offset] = cons.with(CMDQ_CONS::ERR, verdict).raw();
        registers_[GERROR::offset] ^= 1;
        return;
      }
      seen_.push_back({Seen::Kind::command, 0, 0, command});
      ++consumed_;
      if (on_command) {
        on_command(command);
      }
      if (!keep_err) {
        cons.set(CMDQ_CONS::ERR, Cerror::NONE);
      }
      registers_[CMDQ_CONS::offset] = cons.with(CMDQ_CONS::RD, queue_advance(at, log2)).raw();
    }
  }

  hosted::Arena& arena_;
  std::recursive_mutex mutex_;
  // By offset, of pages 0 and 1.
  class File {
  public:
    std::uint64_t& operator[](std::uint32_t offset) {
      return words_.at((offset & 0xfff) / 4 + (offset >= 0x10000 ? words_.size() / 2 : 0));
    }

  private:
    std::array<std::uint64_t, 2048> words_{};
  };
  File registers_;
  std::vector<Seen> seen_;
  std::uint64_t consumed_{};
};

} // namespace sluice::test
