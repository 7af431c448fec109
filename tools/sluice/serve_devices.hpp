#pragma once

#include <sluice/machine/guest_smmu.hpp>
#include <sluice/pcie/copy_device.hpp>
#include <sluice/remote/vfio_session.hpp>
#include <sluice/remote/vhost_rng.hpp>
#include <sluice/remote/vhost_session.hpp>

#include <optional>
#include <string>

namespace sluice::tool {

// An entropy source that is served over vhost-user.
class ServedRng {
public:
  ServedRng(const std::string& name, pcie::Address address, machine::GuestSmmu& smmu, hosted::Port& port);

  void serve(hosted::Fd socket);
  void stop() { server->stop(); }

  const std::string name;
  const pcie::Address address;
  machine::CountedPort requests;
  remote::VhostRng device;
  std::optional<remote::Server> server;

private:
  hosted::Port& port_;
  remote::VhostSession session_;
};

// A copy engine that is served over vfio-user, with a thread for its jobs.
class ServedCopy final : private pcie::Worker {
public:
  ServedCopy(const std::string& name, pcie::Address address, const pcie::AtsConfig& ats, machine::GuestSmmu& smmu,
             hosted::Port& port);
  ~ServedCopy();

  void serve(std::unique_ptr<remote::Listener> listener);
  void stop();

  const std::string name;
  const pcie::Address address;
  machine::CountedPort requests;
  pcie::CopyDevice device;
  std::optional<remote::Server> server;
  std::optional<remote::VfioSession> session;

private:
  void on_work() override { work_.set(); }

  machine::GuestSmmu& smmu_;
  hosted::Port& port_;
  hosted::Signal work_;
  hosted::ActorId actor_{};
};

} // namespace sluice::tool
