#include <sluice/driver/ste_writer.hpp>

#include <sluice/base/fence.hpp>

namespace sluice::driver {

using base::Order;
using iommu::Change;
using namespace arch;

base::Status SpareTables::reserve(platform::Memory& memory, const StreamTable& streams,
                                  std::span<const StreamID> sids) {
  for (const StreamID sid : sids) { // sorted: those of one leaf are next to each other
    const std::uint32_t leaf = streams.leaf_of(sid);
    if (first_ != nullptr && first_->leaf == leaf) {
      continue;
    }
    auto table = Leaf::make_table(memory, streams.leaf_bits());
    if (!table) {
      return table.error();
    }
    auto spare = platform::make<SpareTable>(memory, memory, leaf, std::move(*table));
    if (!spare) {
      return spare.error();
    }
    (*spare)->next = first_;
    first_ = spare->release();
  }
  return {};
}

SpareTables::~SpareTables() {
  while (first_ != nullptr) {
    SpareTable& spare = *first_;
    first_ = spare.next;
    platform::Owned<SpareTable>{spare.memory, &spare}.reset();
  }
}

namespace {
// 3.21.3: an STE may be fetched anew while CDs are cached that were fetched by the one before; only CMD_CFGI_STE takes
// these. A guest's CD without its stage 2 would have the SMMU walk memory that is none of the guest's. Between two
// stages 2 it stays within what the same guest has: a device is that of one guest at a time.
bool meets_others_cds(const Ste& now, const Ste& next) {
  const auto from = now.get(Ste::Config), to = next.get(Ste::Config);
  return now.get(Ste::V) != 0 && translates_stage1(from) && translates_stage1(to) &&
         translates_stage2(from) != translates_stage2(to);
}
} // namespace

Plan SteWriter::plan(StreamID sid, const Ste& target, const EntryFacts& facts, bool may_swing) const {
  const auto memory = memory_.facts();
  PlanFacts plan_facts;
  plan_facts.atomic128 = memory.atomic128;
  plan_facts.entry_from_place = memory.entry_from_place;
  plan_facts.swing = may_swing && streams_.two_levels();
  plan_facts.exempt = exempt_bits(true);
  const Ste now = streams_.read(sid);
  plan_facts.cached_below = meets_others_cds(now, target);
  return driver::plan(now.w, target.w, used_bits(now, facts), used_bits(target, facts), plan_facts);
}

namespace {
// The STEs of one device, which are alike.
class Stes final : public EntryPlace {
public:
  Stes(SteWriter& writer, const Ste& target, std::span<const StreamID> sids, SpareTables& spares)
      : writer_{writer}, target_{target}, sids_{sids}, spares_{spares} {}

  void store(const Step& step, Change& change) override { writer_.store(step, sids_, change); }
  void invalidate(Change& change) override { writer_.invalidate(sids_, change); }
  void swing(Change& change) override { writer_.swing(target_, sids_, spares_, change); }

private:
  SteWriter& writer_;
  const Ste& target_;
  std::span<const StreamID> sids_;
  SpareTables& spares_;
};
} // namespace

Change SteWriter::apply(const Plan& plan, const Ste& target, std::span<const StreamID> sids, SpareTables& spares) {
  Stes place{*this, target, sids, spares};
  return carry_out(plan, place);
}

void SteWriter::store(const Step& step, std::span<const StreamID> sids, Change& change) {
  for (const StreamID sid : sids) {
    base::DmaWord* words = streams_.entry(sid) + step.word;
    if (step.kind == Step::Kind::store128) {
      memory_.store128(words, step.value[0], step.value[1]);
    } else {
      words->store(step.value[0], Order::relaxed);
    }
    clean(sid);
  }
  change.stores += static_cast<std::uint32_t>(sids.size());
}

void SteWriter::clean(StreamID sid) {
  if (!memory_.facts().coherent_walks) {
    memory_.clean(streams_.entry(sid), Ste::byte_size);
  }
}

void SteWriter::invalidate(std::span<const StreamID> sids, Change& change) {
  CommandBatch batch{commands_};
  for (const StreamID sid : sids) {
    batch.add(cmd::cfgi_ste(sid, true));
  }
  static_cast<void>(batch.finish(change));
}

void SteWriter::swing(const Ste& target, std::span<const StreamID> sids, SpareTables& spares, Change& change) {
  CommandBatch batch{commands_};
  for (SpareTable* spare = spares.first(); spare != nullptr; spare = spare->next) {
    copy(*spare, target, sids);
    spare->table = streams_.swing(spare->leaf, std::move(spare->table));
    change.stores += 1;
    // 4.3.2: L1STD and STEs of all 2^(Range+1) StreamIDs around
    batch.add(cmd::cfgi_ste_range(streams_.first_in(spare->leaf), streams_.leaf_bits() - 1));
  }
  static_cast<void>(batch.finish(change));
}

void SteWriter::copy(SpareTable& spare, const Ste& target, std::span<const StreamID> sids) {
  const base::DmaWord* from = streams_.leaf(spare.leaf)->entry(0);
  base::DmaWord* to = spare.table.words();
  const std::size_t words = Ste::word_count << streams_.leaf_bits();
  for (std::size_t i = 0; i < words; ++i) {
    to[i].store(from[i].load(Order::relaxed), Order::relaxed);
  }
  for (const StreamID sid : sids) {
    if (streams_.leaf_of(sid) == spare.leaf) {
      for (std::size_t i = 0; i < Ste::word_count; ++i) {
        to[streams_.index(sid) * Ste::word_count + i].store(target.w[i], Order::relaxed);
      }
    }
  }
}

Change SteWriter::link(std::uint32_t number, Leaf& leaf) {
  streams_.link(number, leaf);
  Change change;
  CommandBatch batch{commands_};
  batch.add(cmd::cfgi_ste(streams_.first_in(number), false)); // 5.1.1: no STE behind it was reachable
  static_cast<void>(batch.finish(change));
  return change;
}

void SteWriter::repoint(std::span<const StreamID> sids, std::uint64_t cd_table, Change& change) {
  const Step step{Step::Kind::store, 0, {streams_.read(sids[0]).with(Ste::S1ContextPtr, cd_table).w[0], 0}};
  base::dma_publish();
  store(step, sids, change);
  invalidate(sids, change);
}

void SteWriter::block(std::span<const StreamID> sids) {
  for (const StreamID sid : sids) {
    streams_.entry(sid)->store(abort_ste().w[0], Order::relaxed);
    clean(sid);
  }
}

} // namespace sluice::driver
