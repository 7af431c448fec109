#include <sluice/hosted/history.hpp>

#include <cstdio>

namespace sluice::hosted {

namespace {

const char* text_of(std::memory_order order) {
  switch (order) {
  case std::memory_order_relaxed:
    return "";
  case std::memory_order_consume:
  case std::memory_order_acquire:
    return " (acquire)";
  case std::memory_order_release:
    return " (release)";
  case std::memory_order_acq_rel:
    return " (acquire, release)";
  case std::memory_order_seq_cst:
    return " (seq_cst)";
  }
  return "";
}

std::string hex(std::uint64_t value) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, value < 10 ? "%llu" : "0x%llx", static_cast<unsigned long long>(value));
  return buffer;
}

} // namespace

void History::add(const Step& step) {
  ++total_;
  if (capacity_ == 0) {
    return;
  }
  if (steps_.size() == capacity_) {
    steps_.pop_front();
  }
  steps_.push_back(step);
}

std::string History::text() {
  std::string result;
  auto number = total_ - steps_.size();
  for (const auto& step : steps_) {
    result += line(++number, step);
  }
  return result;
}

std::string History::line(std::uint64_t number, const Step& step) {
  char head[64];
  const auto actor = actors_.find(step.actor);
  std::snprintf(head, sizeof head, "%6llu  %-12s ", static_cast<unsigned long long>(number),
                actor != actors_.end() ? actor->second.c_str() : std::to_string(step.actor).c_str());
  std::string what;
  switch (step.kind) {
  case Kind::load:
    what = "load " + name_of(step.at) + " = " + hex(step.value);
    break;
  case Kind::store:
    what = "store " + name_of(step.at) + " = " + hex(step.value);
    break;
  case Kind::reaches_memory:
    what = "    ... " + name_of(step.at) + " = " + hex(step.value) + " reaches memory";
    break;
  case Kind::update:
    what = "update " + name_of(step.at);
    break;
  case Kind::fence:
    what = "fence";
    break;
  case Kind::mmio_store:
    what = "write to device #" + hex(step.value);
    break;
  case Kind::reaches_device:
    what = "    ... write #" + hex(step.value) + " reaches the device";
    break;
  case Kind::mmio_load:
    what = "read from device = " + hex(step.value);
    break;
  }
  return head + what + text_of(step.order) + "\n";
}

const std::string& History::name_of(const void* at) {
  auto& name = names_[at];
  if (name.empty()) {
    name = "x" + std::to_string(names_.size());
  }
  return name;
}

} // namespace sluice::hosted
