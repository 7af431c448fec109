#pragma once

#include <sluice/arch/queues.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/frame/registers.hpp>
#include <sluice/model/bus.hpp>
#include <sluice/model/facts.hpp>
#include <sluice/model/memory_types.hpp>

// 3.5.1: the queues that the SMMU writes.
namespace sluice::model {

struct EventQueue {
  using Record = arch::Event;
  using Base = arch::EVENTQ_BASE;
  using Prod = arch::EVENTQ_PROD;
  using Cons = arch::EVENTQ_CONS;
  static constexpr std::uint64_t enabled = arch::CR0ACK::EVENTQEN.mask;
  static constexpr std::uint64_t error = arch::GERROR::EVENTQ_ABT_ERR.mask;
  static constexpr std::uint64_t interrupt = arch::IRQ_CTRLACK::EVENTQ_IRQEN.mask;
  static unsigned most_log2(const Features& f) { return f.eventq_log2; }
};

struct PriQueue {
  using Record = arch::PriRecord;
  using Base = arch::PRIQ_BASE;
  using Prod = arch::PRIQ_PROD;
  using Cons = arch::PRIQ_CONS;
  static constexpr std::uint64_t enabled = arch::CR0ACK::PRIQEN.mask;
  static constexpr std::uint64_t error = arch::GERROR::PRIQ_ABT_ERR.mask;
  static constexpr std::uint64_t interrupt = arch::IRQ_CTRLACK::PRIQ_IRQEN.mask;
  static unsigned most_log2(const Features& f) { return f.priq_log2; }
};

// Whoever uses one holds the lock of its queue's producer.
template <class Q>
class OutputQueue {
public:
  OutputQueue(frame::Registers& registers, Bus& bus, const Facts& facts) : regs_{registers}, bus_{bus}, facts_{facts} {}

  // Enabled, and no abort of an earlier write is active.
  bool runs() const {
    const std::uint64_t active = regs_.get<arch::GERROR>().raw() ^ regs_.get<arch::GERRORN>().raw();
    return (regs_.get<arch::CR0ACK>().raw() & Q::enabled) != 0 && (active & Q::error) == 0;
  }
  bool interrupts() const { return (regs_.get<arch::IRQ_CTRLACK>().raw() & Q::interrupt) != 0; }
  bool empty() const { return arch::queue_empty(wr(), rd(), log2()); }
  // 3.5.1: an inconsistent CONS counts as full.
  bool full() const { return arch::queue_used(wr(), rd(), log2()) >= std::uint32_t{1} << log2(); }
  // 7.4, 8.1: software has not acknowledged that records were lost.
  bool overflowed() const {
    return regs_.get<typename Q::Prod>().get(Q::Prod::OVFLG) != regs_.get<typename Q::Cons>().get(Q::Cons::OVACKFLG);
  }
  // The flag toggles once, and again only after software has acknowledged it.
  void overflow() {
    const auto acknowledged = regs_.get<typename Q::Cons>().get(Q::Cons::OVACKFLG);
    regs_.put(regs_.get<typename Q::Prod>().set(Q::Prod::OVFLG, 1 - acknowledged));
  }

  enum class Written : std::uint8_t { yes, to_empty, aborted };
  // Where there is room. `to_empty`: 3.18.2, software had emptied it.
  Written write(const typename Q::Record& record) {
    constexpr auto bytes = static_cast<std::uint32_t>(Q::Record::byte_size);
    const std::uint32_t at = wr();
    const std::uint64_t queue =
        regs_.get<typename Q::Base>().get(Q::Base::ADDR) & facts_.oas_mask() & ~(arch::queue_align(log2(), bytes) - 1);
    const BusAccess access{queue + std::uint64_t{arch::queue_index(at, log2())} * bytes,
                           bytes,
                           queue_attributes(regs_.get<arch::CR1>()),
                           {}};
    if (!bus_.write(access, record.w.data())) {
      return Written::aborted; // 7.2.2, 8.2: a synchronous abort; PROD stays
    }
    auto prod = regs_.get<typename Q::Prod>();
    prod.set(Q::Prod::WR, arch::queue_advance(at, log2()));
    regs_.put(prod); // release: the record is visible before PROD
    // Software that has emptied it meanwhile looks at PROD after it has written CONS: either it sees this record, or
    // its CONS is seen here.
    base::full_fence();
    return arch::queue_empty(at, rd(), log2()) ? Written::to_empty : Written::yes;
  }

private:
  unsigned log2() const {
    return arch::effective_log2(regs_.get<typename Q::Base>().get(Q::Base::LOG2SIZE), Q::most_log2(facts_.features));
  }
  std::uint32_t wr() const { return static_cast<std::uint32_t>(regs_.get<typename Q::Prod>().get(Q::Prod::WR)); }
  std::uint32_t rd() const { return static_cast<std::uint32_t>(regs_.get<typename Q::Cons>().get(Q::Cons::RD)); }

  frame::Registers& regs_;
  Bus& bus_;
  const Facts& facts_;
};

} // namespace sluice::model
