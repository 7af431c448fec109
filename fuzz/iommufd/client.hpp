#pragma once

#include "../input.hpp"
#include "layouts.hpp"
#include "memory.hpp"

#include <sluice/machine/host.hpp>
#include <sluice/model/port.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::fuzz {

// The host that all inputs use, and what a process brings along for it.
struct World final : private vfio::Iommufds {
  static constexpr int first_iommufd = 1000; // numbers that no descriptor of ours has

  static World& get();

  machine::Host host;
  ClientPages memory;
  int memfd, eventfd;
  std::array<std::shared_ptr<iommufd::Context>, 2> contexts;

private:
  World();
  base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) override;
};

// What a program does with two /dev/iommu and the host's devices, as an input says.
class Client {
public:
  Client(World& world, Input& input) : world_{world}, input_{input} {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A finding is something that stays behind, besides what the calls themselves check.
  void run();

private:
  static constexpr unsigned most_steps = 64;
  static constexpr std::size_t most_stalled = 4;
  static constexpr std::size_t structure_at = 0;
  static constexpr std::size_t data_at = ClientPages::page;

  void open();
  void close_everything();
  void step();

  void call_iommufd();
  void call_vfio();
  void set_irqs();
  void access_device();
  void use_descriptor();
  void change_memory();
  // A device's access, and those that have waited for an answer.
  void access_memory();
  void follow_up();

  // Writes a structure to the client's memory and answers the pointer for the call.
  std::uint64_t put(const Layout& layout);
  // Takes over what a successful call has answered.
  void harvest(const Layout& layout);
  std::uint64_t value(char field, const Layout& layout);
  std::uint32_t size(const Layout& layout);
  std::uint32_t id();
  int descriptor();
  std::uint64_t data();
  std::uint64_t iova();
  std::uint64_t length();

  iommufd::Context& context() { return *world_.contexts[which_]; }
  std::unique_ptr<vfio::File>& file() { return files_[input_.below(files_.size())]; }

  World& world_;
  Input& input_;
  unsigned which_{};
  std::array<std::unique_ptr<vfio::File>, 3> files_;
  std::vector<std::uint32_t> ids_;
  std::vector<int> descriptors_; // of ours: closed in the end
  model::Port port_{world_.host.hardware(0)};
  std::vector<std::uint16_t> stalled_; // what port_ knows them by
};

} // namespace sluice::fuzz
