#include <tools/sluice/serve_devices.hpp>

namespace sluice::tool {

ServedRng::ServedRng(const std::string& called, pcie::Address at, machine::GuestSmmu& smmu, hosted::Port& port)
    : name{called}, address{at}, requests{smmu.model(), port}, device{called, at, requests, port.device_sync},
      port_{port}, session_{device} {
  smmu.add(requests, at.stream);
}

void ServedRng::serve(hosted::Fd socket) {
  server.emplace(*port_.schedule, remote::Stream{std::move(socket)}, session_, name);
}

ServedCopy::ServedCopy(const std::string& called, pcie::Address at, const pcie::AtsConfig& ats,
                       machine::GuestSmmu& smmu, hosted::Port& port)
    : name{called}, address{at}, requests{smmu.model(), port}, device{at, ats, port.device_sync, port.time},
      smmu_{smmu}, port_{port}, work_{*port.schedule} {
  smmu.add(requests, at.stream);
  smmu.routes().add(device);
  device.set_worker(this);
}

ServedCopy::~ServedCopy() {
  stop();
  smmu_.routes().remove(device);
}

void ServedCopy::serve(std::unique_ptr<remote::Listener> listener) {
  actor_ = port_.schedule->start(name + " jobs", [this](const std::stop_token& stop) {
    while (work_.wait(stop)) {
      requests.use([this](model::Port& port) { device.run(port); });
    }
  });
  session.emplace(device, port_.device_sync);
  server.emplace(*port_.schedule, std::move(listener), *session, name);
}

void ServedCopy::stop() {
  if (server) {
    server->stop();
  }
  if (actor_ != 0) {
    port_.schedule->finish(std::exchange(actor_, 0));
  }
}

} // namespace sluice::tool
