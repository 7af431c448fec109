#pragma once

#include <ports/qemu/qtest.hpp>
#include <sluice/machine/guest_smmu.hpp>
#include <tools/sluice/serve.hpp>
#include <tools/sluice/serve_devices.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::tool {

// A guest's interrupt controller, by way of QEMU's qtest.
class QtestInterrupts final : public machine::GuestInterrupts {
public:
  explicit QtestInterrupts(std::string gic) : gic_{std::move(gic)} {}

  // Before there are interrupts.
  void connect(hosted::Fd socket);
  void pulse(model::Wire wire) override;
  void message(std::uint64_t address, std::uint32_t data) override;

  std::uint64_t pulses() const { return pulses_; }
  std::uint64_t messages() const { return messages_; }
  std::string failure() const { return qtest_ ? qtest_->failure() : ""; }

private:
  std::string gic_;
  std::optional<ports::qemu::Qtest> qtest_;
  std::uint64_t pulses_{};
  std::uint64_t messages_{};
};

// The hardware that a guest finds: its SMMU and the devices behind it, and for the program that runs the guest the
// places where it reaches them.
class ServedGuest {
public:
  // Throws hosted::SetupError or CommandError.
  explicit ServedGuest(const ServeArguments& arguments);
  ~ServedGuest();

  // Where the program finds what its arguments have names for: numbers of descriptors, and names of files and sockets.
  const std::map<std::string, std::string>& places() const { return places_; }
  // Descriptors that it has to have, until let_go().
  const std::vector<int>& keep() const { return keep_; }
  // The program has its ends.
  void let_go() { theirs_.clear(); }
  void start() { smmu_->start(); }
  void stop();

  // After stop().
  std::string report() const;
  void complain() const; // on stderr, of what went wrong

private:
  hosted::Fd connect(const std::string& name);
  void add(const std::string& name, const std::string& place);

  hosted::Port port_;
  QtestInterrupts interrupts_;
  std::unique_ptr<machine::GuestSmmu> smmu_;
  std::vector<std::unique_ptr<ServedRng>> rngs_;
  std::vector<std::unique_ptr<ServedCopy>> copies_;
  std::map<std::string, std::string> places_;
  std::vector<int> keep_;
  std::vector<hosted::Fd> theirs_;
};

} // namespace sluice::tool
