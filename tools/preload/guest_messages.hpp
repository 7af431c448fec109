#pragma once

#include <sluice/machine/host.hpp>

#include <cstdint>
#include <mutex>
#include <string>

namespace sluice::preload {

// Writes the messages of devices into a guest's interrupt controller, through the socket that QEMU opens with
// `-qtest unix:PATH,server=on,wait=off`. As posted writes: nobody waits for QEMU's answer, since QEMU may be waiting
// for the device at that moment.
class QtestMessages final : public machine::GuestMessages {
public:
  explicit QtestMessages(std::string path) : path_{std::move(path)} {}
  QtestMessages(const QtestMessages&) = delete;
  QtestMessages& operator=(const QtestMessages&) = delete;
  ~QtestMessages();

  bool on_message(unsigned function, std::uint64_t address, std::uint32_t data) override;

private:
  bool connect();
  void drain();
  bool failed(const char* what);

  std::string path_;
  std::mutex mutex_; // of what follows
  int socket_{-1};
  bool reported_{};
};

} // namespace sluice::preload
