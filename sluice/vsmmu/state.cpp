#include <sluice/vsmmu/vsmmu.hpp>

#include <array>
#include <bit>
#include <cstring>

// What a guest's SMMU is when the guest moves to another host. Queues and tables lie in the guest's memory; what the
// host caches is not needed there, and the host makes it anew.
namespace sluice::vsmmu {

using namespace arch;
using base::Errc;
using base::Result;
using base::Status;

static_assert(std::endian::native == std::endian::little);

namespace {

// Calls f.template operator()<R>() for each register that a guest's writes, or ours, change. Their order is the
// format's.
template <class F>
void for_each_saved(F f) {
  const auto all = [&]<class... R>() { (f.template operator()<R>(), ...); };
  all.template
  operator()<CR0, CR0ACK, CR1, CR2, GBPA, AGBPA, IRQ_CTRL, IRQ_CTRLACK, GERROR, GERRORN, GERROR_IRQ_CFG0,
             GERROR_IRQ_CFG1, GERROR_IRQ_CFG2, STRTAB_BASE, STRTAB_BASE_CFG, CMDQ_BASE, CMDQ_PROD, CMDQ_CONS,
             EVENTQ_BASE, EVENTQ_IRQ_CFG0, EVENTQ_IRQ_CFG1, EVENTQ_IRQ_CFG2, EVENTQ_PROD, EVENTQ_CONS>();
}
constexpr std::size_t saved_registers = 24;

// Behind it come the answers that the guest owes, which version 1 had not.
struct Saved {
  static constexpr std::uint32_t magic_number = 0x4d53'7653; // "SvSM"
  static constexpr std::uint32_t this_version = 2;
  static constexpr std::uint32_t flag_atc_timed_out = 1;

  std::uint32_t magic{magic_number};
  std::uint32_t version{this_version};
  std::array<std::uint32_t, 8> id{}; // IDR0 to IDR5, IIDR, AIDR
  std::uint32_t flags{};
  std::uint32_t owed{};
  std::array<std::uint64_t, saved_registers> registers{};
};
static_assert(sizeof(Saved) == 48 + 8 * saved_registers && sizeof(Stalls::Owed) == 8);

// Errors: bad_size, unsupported.
Result<Saved> header_of(std::span<const std::byte> state) {
  Saved saved;
  if (state.size() < sizeof saved) {
    return Errc::bad_size;
  }
  std::memcpy(&saved, state.data(), sizeof saved);
  if (saved.magic != Saved::magic_number || saved.version == 0 || saved.version > Saved::this_version) {
    return Errc::unsupported;
  }
  const bool whole = state.size() == sizeof saved + saved.owed * sizeof(Stalls::Owed);
  return whole && (saved.version > 1 || saved.owed == 0) ? Result{saved} : Errc::bad_size;
}

std::array<std::uint32_t, 8> words_of(const IdRegisters& id) {
  return {id.idr0.raw(), id.idr1.raw(), id.idr2.raw(), id.idr3.raw(),
          id.idr4.raw(), id.idr5.raw(), id.iidr.raw(), id.aidr.raw()};
}
IdRegisters features_of(const std::array<std::uint32_t, 8>& words) {
  return {IDR0::from(words[0]),
          IDR1::from(words[1]),
          IDR2::from(words[2]),
          IDR3::from(words[3]),
          IDR4::from(words[4]),
          IDR5::from(words[5]),
          {},
          IIDR::from(words[6]),
          AIDR::from(words[7])};
}

// The bits that a register can have in an SMMU with these features.
std::uint64_t possible_bits(std::uint32_t offset, const IdRegisters& id) {
  const RegisterInfo& reg = *find_register(offset);
  std::uint64_t bits = has(id, reg.exists_if) ? reg.defined : 0;
  for (const OptionalBits& optional : optional_bits) {
    bits &= optional.offset == offset && !has(id, optional.needs) ? ~optional.bits : ~0ULL;
  }
  return bits;
}

Status check(const Saved& saved, const IdRegisters& id) {
  Status status = (saved.flags & ~Saved::flag_atc_timed_out) == 0 ? Status{} : Errc::reserved_bits;
  std::size_t at = 0;
  for_each_saved([&]<class R>() {
    if ((saved.registers[at++] & ~possible_bits(R::offset, id)) != 0) {
      status = Errc::reserved_bits;
    }
  });
  const auto& r = saved.registers;
  if (status && (r[0] != r[1] || r[6] != r[7] || (r[4] & GBPA::Update.mask) != 0)) { // each is acknowledged at once
    status = Errc::invalid_argument;
  }
  return status;
}

// 3.12.2: ascending, of STAGs that there are, and of streams that there can be.
bool possible(std::span<const Stalls::Owed> owed, const IdRegisters& id) {
  const unsigned bits = stream_id_bits(id);
  const std::uint64_t most = id.idr5.get(IDR5::STALL_MAX);
  std::uint64_t next = 0;
  for (const Stalls::Owed& o : owed) {
    if (o.tag < next || o.tag >= most || (bits < 32 && o.stream >> bits != 0)) {
      return false;
    }
    next = std::uint64_t{o.tag} + 1;
  }
  return true;
}

} // namespace

std::vector<std::byte> Vsmmu::save() const {
  const auto owed = stalls_.owed();
  Saved saved;
  saved.owed = static_cast<std::uint32_t>(owed.size());
  saved.id = words_of(config_.features);
  saved.flags = atc_timed_out_ ? Saved::flag_atc_timed_out : 0;
  std::size_t at = 0;
  for_each_saved([&]<class R>() { saved.registers[at++] = registers_->get<R>().raw(); });
  std::vector<std::byte> state(sizeof saved + owed.size() * sizeof(Stalls::Owed));
  std::memcpy(state.data(), &saved, sizeof saved);
  if (!owed.empty()) {
    std::memcpy(state.data() + sizeof saved, owed.data(), owed.size() * sizeof(Stalls::Owed));
  }
  return state;
}

Status Vsmmu::restore(std::span<const std::byte> state) {
  const auto header = header_of(state);
  if (!header) {
    return header.error();
  }
  const Saved& saved = *header;
  // A guest does not read its ID registers again: what it was told there is what there has to be.
  const IdRegisters promised = features_of(saved.id);
  refusal_ = beyond(promised, config_.features);
  if (!refusal_) {
    refusal_ = beyond(config_.features, promised);
  }
  if (refusal_ || saved.id != words_of(config_.features)) {
    return Errc::missing_feature;
  }
  if (const auto good = check(saved, config_.features); !good) {
    return good;
  }
  std::vector<Stalls::Owed> owed(saved.owed);
  if (!owed.empty()) {
    std::memcpy(owed.data(), state.data() + sizeof saved, owed.size() * sizeof(Stalls::Owed));
  }
  if (!possible(owed, config_.features)) {
    return Errc::invalid_argument;
  }
  for (const std::uint32_t cookie : stalls_.end()) { // a state has no transactions that wait
    answer(cookie, false);
  }
  stalls_.restore(owed);
  power_on();
  std::size_t at = 0;
  for_each_saved([&]<class R>() { registers_->put(R::from(static_cast<typename R::Raw>(saved.registers[at++]))); });
  atc_timed_out_ = (saved.flags & Saved::flag_atc_timed_out) != 0;
  place_all();
  run_commands();
  return {};
}

} // namespace sluice::vsmmu
