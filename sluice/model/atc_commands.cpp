#include <sluice/model/core.hpp>

// 4.5: commands that go on to an endpoint.
namespace sluice::model {

using arch::Command;

namespace {

std::optional<std::uint32_t> substream_of(const Command& command, const Facts& facts) {
  // 4.5: without substreams, SSV counts as 0.
  if (command.get(Command::SSV) == 0 || facts.features.substreamid_bits == 0) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(command.get(Command::SubstreamID));
}

} // namespace

// 4.5.1: the endpoint's caches drop what is named before the log says so, and a CMD_SYNC waits until each port has gone
// past the log: then no access that found a translation there is under way.
bool Core::invalidate_atc(const Command& command) {
  if (!smmuen()) {
    return true;
  }
  if (atcs_.full()) {
    await_atcs();
    if (atcs_.full()) {
      return false;
    }
  }
  AtcInvalidation invalidation{.stream_id = static_cast<std::uint32_t>(command.get(Command::StreamID)),
                               .substream_id = substream_of(command, facts_)};
  invalidation.global = invalidation.substream_id && command.get(Command::Global) != 0;
  // Sizes beyond the largest count as the largest.
  const std::uint64_t size = command.get(Command::Size);
  invalidation.log2_size =
      size >= arch::atc_inv_size_all ? AtcInvalidation::everything : static_cast<std::uint8_t>(12 + size);
  invalidation.address = command.get(Command::Address) & ~mask_below(invalidation.log2_size);
  if (atcs_.send(bus_, invalidation, time_.now_ns()) == AtcAnswer::unsupported) {
    facts_.met(at("atc.unsupported"));
  }
  count_.atc_invalidations.fetch_add(1, base::Order::relaxed);
  append(command);
  return true;
}

// Whether any is over. What has completed just now has to be passed by the ports as well.
bool Core::await_atcs() {
  const auto over = atcs_.ask(bus_, time_.now_ns(), facts_.knobs.atc_timeout_us * 1000);
  count_.atc_timeouts.fetch_add(over.timed_out, base::Order::relaxed);
  if (over.timed_out != 0) {
    facts_.met(at("atc.timeout"));
  }
  if (over.completed != 0) {
    facts_.met(at("atc.late"));
    append(Command{}.set(Command::Opcode, arch::Opcode::CMD_ATC_INV));
  }
  return over.completed + over.timed_out != 0;
}

// 4.5.2
void Core::respond(const Command& command) {
  if (!smmuen()) {
    return;
  }
  PageResponse response{.stream_id = static_cast<std::uint32_t>(command.get(Command::StreamID)),
                        .substream_id = substream_of(command, facts_),
                        .prg_index = static_cast<std::uint16_t>(command.get(Command::PRGIndex))};
  switch (command.get(Command::Resp)) {
  case arch::PriResponse::success:
    response.code = arch::PrgResponse::success;
    facts_.met(at("response.success"));
    break;
  case arch::PriResponse::invalid_request:
    response.code = arch::PrgResponse::invalid_request;
    facts_.met(at("response.invalid"));
    break;
  default:
    response.code = arch::PrgResponse::failure;
    facts_.met(at("response.failure"));
    break;
  }
  bus_.page_response(response);
}

} // namespace sluice::model
