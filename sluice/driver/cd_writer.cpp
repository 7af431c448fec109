#include <sluice/driver/cd_writer.hpp>

namespace sluice::driver {

using base::Order;
using iommu::Change;
using namespace arch;

namespace {
template <class Make>
void tell(CommandQueue& commands, std::span<const StreamID> sids, Change& change, Make make) {
  CommandBatch batch{commands};
  for (const StreamID sid : sids) {
    batch.add(make(sid));
  }
  static_cast<void>(batch.finish(change));
}
} // namespace

class CdWriter::Place final : public EntryPlace {
public:
  Place(CdWriter& writer, CdTable& table, SubstreamID ssid, const Cd& target, std::span<const StreamID> sids,
        Dma& spare)
      : w_{writer}, table_{table}, ssid_{ssid}, target_{target}, sids_{sids}, spare_{spare} {}

  void store(const Step& step, Change& change) override {
    base::DmaWord* words = table_.leaf_for(ssid_)->entry(table_.index(ssid_)) + step.word;
    if (step.kind == Step::Kind::store128) {
      w_.memory_.store128(words, step.value[0], step.value[1]);
    } else {
      words->store(step.value[0], Order::relaxed);
    }
    if (!w_.memory_.facts().coherent_walks) {
      w_.memory_.clean(words, 2 * sizeof *words);
    }
    change.stores += 1;
  }
  void invalidate(Change& change) override {
    tell(w_.commands_, sids_, change, [&](StreamID sid) { return cmd::cfgi_cd(sid, ssid_, true); });
  }
  // The leaf with the new entry in it takes the leaf's place.
  void swing(Change& change) override {
    const std::uint32_t number = table_.leaf_of(ssid_);
    const CdLeaf& leaf = *table_.leaf(number);
    for (std::size_t i = 0; i < leaf.size() / sizeof(base::DmaWord); ++i) {
      spare_.words()[i].store(leaf.words()[i].load(Order::relaxed), Order::relaxed);
    }
    for (std::size_t i = 0; i < Cd::word_count; ++i) {
      spare_.words()[table_.index(ssid_) * Cd::word_count + i].store(target_.w[i], Order::relaxed);
    }
    spare_ = table_.swing(number, std::move(spare_));
    if (!table_.shape().two_levels()) {
      return w_.stes_.repoint(sids_, table_.bus(), change);
    }
    change.stores += 1;
    // All CDs of the leaf may be cached from where it was, with the descriptor that points there. 4.3.4
    tell(w_.commands_, sids_, change, [](StreamID sid) { return cmd::cfgi_cd_all(sid); });
  }

private:
  CdWriter& w_;
  CdTable& table_;
  SubstreamID ssid_;
  const Cd& target_;
  std::span<const StreamID> sids_;
  Dma& spare_;
};

Plan CdWriter::plan(const Cd& now, const Cd& target, bool may_swing) const {
  const auto memory = memory_.facts();
  const PlanFacts facts{memory.atomic128, may_swing, memory.entry_from_place, {}};
  return driver::plan(now.w, target.w, used_bits(now), used_bits(target), facts);
}

Change CdWriter::apply(const Plan& plan, CdTable& table, SubstreamID ssid, const Cd& target,
                       std::span<const StreamID> sids, Dma& spare) {
  Place place{*this, table, ssid, target, sids, spare};
  return carry_out(plan, place);
}

void CdWriter::rewrite_lone(Dma& cd, const Cd& target, std::span<const StreamID> sids, Change& change) {
  for (std::size_t i = 0; i < Cd::word_count; ++i) {
    if (cd.words()[i].load(Order::relaxed) != target.w[i]) {
      cd.words()[i].store(target.w[i], Order::relaxed);
      change.stores += 1;
    }
  }
  if (!memory_.facts().coherent_walks) {
    memory_.clean(cd.words(), cd.size());
  }
  tell(commands_, sids, change, [](StreamID sid) { return cmd::cfgi_cd(sid, 0, true); });
}

Change CdWriter::link(CdTable& table, std::uint32_t number, CdLeaf& leaf, std::span<const StreamID> sids) {
  Change change;
  change.stores = 1;
  table.link(number, leaf);
  const auto first = static_cast<SubstreamID>(number << table.shape().leaf_bits());
  tell(commands_, sids, change, [&](StreamID sid) { return cmd::cfgi_cd(sid, first, false); });
  return change;
}

Change CdWriter::unlink(CdTable& table, std::uint32_t number, std::span<const StreamID> sids) {
  Change change;
  change.stores = 1;
  table.unlink(number);
  tell(commands_, sids, change, [](StreamID sid) { return cmd::cfgi_cd_all(sid); });
  return change;
}

} // namespace sluice::driver
