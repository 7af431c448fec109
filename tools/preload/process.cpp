#include "process.hpp"

#include "account.hpp"
#include "descriptors.hpp"
#include "environment.hpp"
#include "files.hpp"
#include "guest_messages.hpp"
#include "machine_config.hpp"
#include "mappings.hpp"
#include "real.hpp"
#include "report.hpp"
#include "settings.hpp"

#include <sluice/advise/watch.hpp>
#include <sluice/hosted/signals.hpp>
#include <sluice/machine/process.hpp>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <sstream>
#include <thread>
#include <unistd.h>

namespace sluice::preload {

namespace {

// Not destroyed: other threads may still use it when the process ends.
struct State {
  std::once_flag once;
  std::atomic<pid_t> owner{0};             // who has made the host
  std::unique_ptr<QtestMessages> messages; // outlives the host
  std::unique_ptr<machine::Host> host;
  machine::ProcessCaller caller;
  std::unique_ptr<advise::Recorder> recorder;
  int record_fd{-1};
  std::mutex mutex;
  std::vector<std::unique_ptr<advise::Watch>> watches; // outlive their contexts
};

State& state() {
  static auto* const one = new State;
  return *one;
}

void explain(std::string_view text) {
  std::istringstream lines{std::string{text}};
  for (std::string line; std::getline(lines, line);) {
    report("%s", line.c_str());
  }
}

void open_record(State& s) {
  const std::string& path = settings().record;
  if (path.empty()) {
    return;
  }
  s.record_fd = real().open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (s.record_fd < 0) {
    fail("--record: %s cannot be written: %s", path.c_str(), std::strerror(errno));
  }
  s.recorder = std::make_unique<advise::Recorder>(s.caller, [fd = s.record_fd](std::string_view line) {
    if (write(fd, line.data(), line.size()) < 0) {
      // The disk is full; the process matters more than its record.
    }
  });
}

void make(State& s) {
  s.owner = getpid();
  try {
    s.host = std::make_unique<machine::Host>(machine_config());
    s.host->set_iommufds(open_files());
    s.host->queues().on_give = give_queue;
    s.host->port().log.set_sink(report_note);
    if (!settings().messages.empty()) {
      s.messages = std::make_unique<QtestMessages>(settings().messages);
      s.host->set_guest_messages(*s.messages);
    }
    open_record(s);
  } catch (const std::exception& error) {
    report("the machine cannot be made: %s", error.what());
    s.host.reset();
  }
  spare_children();
}

// In a thread of its own: those of this one's data that end with it have ended when a process exits.
void take_down(State& s) {
  const Ending ending = [&] {
    Ending e;
    const auto before = s.host->account();
    e.descriptors_open = descriptors().count();
    e.contexts_open = before.contexts;
    e.objects_open = before.objects;
    mappings().forget_all();
    e.all_closed = descriptors().close_all(std::chrono::seconds{2});
    e.account = s.host->account();
    if (e.all_closed) {
      e.remains = s.host->tear_down();
    }
    return e;
  }();
  if (!settings().report.empty()) {
    write_account(settings().report, ending);
  }
}

} // namespace

const std::vector<std::string>& functions() {
  static const auto* const all = [] {
    auto* const list = new std::vector<std::string>;
    for (const auto& function : machine_config().functions) {
      list->push_back(machine::to_string(function.address));
    }
    for (const auto& engine : machine_config().engines) {
      list->push_back(machine::to_string(engine.address));
    }
    return list;
  }();
  return *all;
}

machine::Host* host() {
  State& s = state();
  if (s.owner != 0 && s.owner != getpid()) {
    return nullptr;
  }
  std::call_once(s.once, make, s);
  return s.host.get();
}

bool host_is_made() { return state().owner != 0; }

std::shared_ptr<iommufd::Context> open_iommufd(machine::Host& of) {
  State& s = state();
  const std::lock_guard guard{s.mutex};
  s.watches.push_back(std::make_unique<advise::Watch>(s.watches.size() + 1, s.caller, s.recorder.get(), explain));
  return of.open_iommufd(s.watches.back().get(), s.watches.back().get());
}

advise::Recorder* recorder() { return state().recorder.get(); }

void finish() {
  State& s = state();
  if (s.owner == getpid() && s.host) {
    const hosted::SignalsBlocked blocked;
    std::thread{take_down, std::ref(s)}.join();
  }
}

} // namespace sluice::preload
