#include <sluice/vsmmu/vsmmu.hpp>

#include <sluice/arch/queues.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <utility>

namespace sluice::vsmmu {

using namespace arch;
using base::Errc;
using base::Result;
using base::Status;

namespace {

// What this SMMU can be: stage 1, its queues and tables wherever the guest puts them.
bool possible(const IdRegisters& id) {
  const bool sizes = id.idr1.get(IDR1::CMDQS) <= max_queue_log2 && id.idr1.get(IDR1::EVENTQS) <= max_queue_log2 &&
                     stream_id_bits(id) <= 32 && substream_id_bits(id) <= 20;
  const bool levels = stream_id_bits(id) < 7 || id.idr0.get(IDR0::ST_LEVEL) == StLevel::two_level;
  const bool stalls = has(id, Feature::stall) == (id.idr5.get(IDR5::STALL_MAX) != 0);
  const bool other = has(id, Feature::s2p) || has(id, Feature::pri) || has(id, Feature::atos) ||
                     has(id, Feature::ecmdq) || has(id, Feature::hyp) || has(id, Feature::attr_types) ||
                     has(id, Feature::attr_perms) || has(id, Feature::btm) || has(id, Feature::mpam) ||
                     has(id, Feature::dpt) || has(id, Feature::s2pi) || id.idr1.get(IDR1::TABLES_PRESET) != 0 ||
                     id.idr1.get(IDR1::QUEUES_PRESET) != 0 || id.idr5.get(IDR5::DS) != 0;
  return has(id, Feature::s1p) && has_aarch64_tables(id) && sizes && levels && stalls && !other;
}

} // namespace

Result<std::unique_ptr<Vsmmu>> Vsmmu::make(const Config& config, Ioctl ioctl, GuestMemory& memory,
                                           Interrupts& interrupts, Answers answers) {
  if (!possible(config.features)) {
    return Errc::bad_hardware;
  }
  if (has(config.features, Feature::stall) && !answers) {
    return Errc::invalid_argument;
  }
  return std::make_unique<Vsmmu>(config, std::move(ioctl), memory, interrupts, std::move(answers));
}

Vsmmu::Vsmmu(const Config& config, Ioctl ioctl, GuestMemory& memory, Interrupts& interrupts, Answers answers)
    : config_{config}, memory_{memory}, interrupts_{interrupts}, answers_{std::move(answers)},
      host_{std::make_unique<Host>(Calls{std::move(ioctl), config.iommufd}, config.parent)},
      stalls_{static_cast<std::size_t>(config.features.idr5.get(IDR5::STALL_MAX))} {
  power_on();
}

Vsmmu::~Vsmmu() { static_cast<void>(close()); }

Status Vsmmu::close() {
  for (auto& [stream, device] : devices_) {
    host_->let_go(device);
  }
  devices_.clear();
  stalls_.end(); // the host has answered them
  const Status left = forget_left();
  const Status closed = host_->close();
  return left ? closed : left;
}

void Vsmmu::power_on() {
  registers_.emplace(config_.features);
  registers_->put(GBPA{}.with(GBPA::ABORT, config_.abort_at_reset));
  batch_.clear();
  atc_timed_out_ = false;
}

void Vsmmu::reset() {
  terminate_all();
  power_on();
  place_all();
}

void Vsmmu::write(std::uint32_t offset, unsigned size, std::uint64_t value) {
  const auto written = registers_->write(offset, size, value);
  if (!written.taken) {
    return;
  }
  switch (written.reg->offset) {
  case CR0::offset:
    return on_cr0();
  case GBPA::offset:
    return on_gbpa();
  case IRQ_CTRL::offset: // 6.3.16: nothing is on its way
    return registers_->put(IRQ_CTRLACK::from(registers_->get<IRQ_CTRL>().raw()));
  case GERRORN::offset: // 7.1: an acknowledged error lets commands go on
    record_stalls();
    [[fallthrough]];
  case CMDQ_PROD::offset:
    return run_commands();
  case EVENTQ_CONS::offset:
    return record_stalls();
  default:
    return;
  }
}

// 6.3.9: what has changed is in effect when it is acknowledged.
void Vsmmu::on_cr0() {
  const auto cr0 = registers_->get<CR0>();
  const auto ack = registers_->get<CR0ACK>();
  registers_->put(CR0ACK::from(cr0.raw()));
  if (cr0.get(CR0::SMMUEN) != ack.get(CR0ACK::SMMUEN)) {
    place_all();
  }
  record_stalls();
  run_commands();
}

// 6.3.14
void Vsmmu::on_gbpa() {
  registers_->put(registers_->get<GBPA>().with(GBPA::Update, 0));
  if (registers_->get<CR0ACK>().get(CR0ACK::SMMUEN) == 0) {
    place_all();
  }
}

// What the guest was promised of its SMMU is asked of the one that the device is behind, not of the device.
Status Vsmmu::check_promises(std::uint32_t device) {
  const auto facts = host_->calls().hw_info(device);
  if (!facts) {
    return facts.error();
  }
  HostFacts smmu = *facts;
  smmu.max_pasid_log2 = 20;
  smmu.capabilities &= ~std::uint64_t{uapi::iommufd::hw_cap_ats_not_supported};
  Refusal why;
  // What is the monitor's own is as it was settled.
  const Own own{stream_id_bits(config_.features),
                20,
                static_cast<unsigned>(config_.features.idr1.get(IDR1::CMDQS)),
                static_cast<unsigned>(config_.features.idr1.get(IDR1::EVENTQS)),
                config_.features.idr5.get(IDR5::OAS),
                has(config_.features, Feature::msi),
                config_.features.idr0.get(IDR0::SEV) != 0,
                static_cast<unsigned>(config_.features.idr5.get(IDR5::STALL_MAX))};
  const auto offered = offer(smmu, own, &why);
  refusal_ = offered ? beyond(config_.features, *offered) : why;
  hides_stalls_ = !has(config_.features, Feature::stall) &&
                  IDR0::from(smmu.info.idr[0]).get(IDR0::STALL_MODEL) == StallModel::stall_or_terminate;
  return refusal_ ? Status{Errc::missing_feature} : Status{};
}

Status Vsmmu::add_device(const DeviceInfo& info) {
  refusal_.reset();
  const unsigned bits = stream_id_bits(config_.features);
  if (devices_.size() == max_devices || (bits < 32 && info.stream >> bits != 0)) {
    return Errc::too_large;
  }
  if (devices_.contains(info.stream)) {
    return Errc::already_exists;
  }
  if (const auto promised = check_promises(info.id); !promised) {
    return promised;
  }
  const bool first = !host_->is_open();
  if (first) {
    if (const auto opened = host_->open(info.id, config_.event_depth, has(config_.features, Feature::stall)); !opened) {
      return opened;
    }
    next_sequence_.reset();
  }
  Assigned device{info, 0, 0, {}, Place::nowhere};
  if (const auto named = host_->name(device); !named) {
    if (first) {
      static_cast<void>(host_->close());
    }
    return named;
  }
  const auto added = devices_.emplace(info.stream, device).first;
  place(added->second);
  if (added->second.place != Place::nowhere) {
    return {};
  }
  host_->let_go(added->second); // the host takes it nowhere
  devices_.erase(added);
  if (first) {
    static_cast<void>(host_->close());
  }
  return Errc::device_failed;
}

Status Vsmmu::remove_device(std::uint32_t stream) {
  const auto found = devices_.find(stream);
  if (found == devices_.end()) {
    return Errc::not_found;
  }
  host_->let_go(found->second);
  devices_.erase(found);
  return {};
}

// Nothing of the guest's is pending between two calls, so that commands need no second queue.
Status Vsmmu::move_to(std::uint32_t parent) {
  if (left_) {
    return Errc::busy;
  }
  auto next = std::make_unique<Host>(host_->calls(), parent);
  if (!devices_.empty()) {
    if (const auto opened =
            next->open(devices_.begin()->second.info.id, config_.event_depth, has(config_.features, Feature::stall));
        !opened) {
      return opened;
    }
    if (next->event_descriptor() < 0 && host_->event_descriptor() >= 0) {
      return Errc::unsupported;
    }
  }
  for (auto at = devices_.begin(); at != devices_.end(); ++at) {
    if (const auto taken = next->take(at->second, *host_); !taken) {
      while (at != devices_.begin()) {
        --at;
        static_cast<void>(host_->take(at->second, *next)); // which aborts what cannot go back
      }
      return taken;
    }
  }
  left_ = std::exchange(host_, std::move(next));
  stalls_.end(); // answered where they were
  return {};
}

Status Vsmmu::forget_left() {
  if (!left_) {
    return {};
  }
  if (const auto closed = left_->close(); !closed) {
    return closed;
  }
  left_.reset();
  next_sequence_.reset();
  return {};
}

std::optional<Place> Vsmmu::place_of(std::uint32_t stream) const {
  const auto found = devices_.find(stream);
  return found == devices_.end() ? std::nullopt : std::optional{found->second.place};
}

// 3.5.1, 6.3.26: bases are taken as aligned, and cut to OAS (3.4.3).
std::uint64_t Vsmmu::queue_address(std::uint64_t base, unsigned log2, std::size_t entry, std::uint32_t index) const {
  return ((base & ~(queue_align(log2, entry) - 1)) + index * std::uint64_t{entry}) &
         base::detail::ones(oas_bits(config_.features));
}

} // namespace sluice::vsmmu
