#pragma once

#include <sluice/iommu/group.hpp>
#include <sluice/machine/broadcasts.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/scenario/operation.hpp>
#include <sluice/scenario/realm.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace sluice::scenario {

// Requesters that come and go together: a copy engine with an ATC behind PCIe, or a device whose accesses may stall, or
// two of these that cannot be told apart.
struct LongDevice {
  machine::Endpoint* endpoint{}; // null: one of the latter
  std::vector<std::uint32_t> streams;
  base::Atomic<iommu::Device*> device{nullptr}; // null: removed
  TryLock lock;                                 // shared by who changes one of its targets
  std::unique_ptr<iommu::Group> group;          // null: it is alone
  base::Atomic<iommu::Device*> second{nullptr}; // of the group

  bool is(const iommu::Device* d) const { return d != nullptr && (d == device.load() || d == second.load()); }
  // While it is there and the lock is held: by itself or by its group.
  base::Result<iommu::Change> change(iommu::Domain& domain, iommu::Target at, bool replaces);
  base::Result<iommu::Change> detach(iommu::Target at);
};

struct LongTarget {
  LongDevice& device;
  iommu::Target at;
  std::optional<unsigned> context; // of the engine
  Timeline<Realm*> is;             // null: nothing is attached
  Realm* realm{};                  // its actor's, or with the device's lock
  std::size_t ste{};               // likewise: which of a guest's

  std::string describe() const;
};

// What an access may meet.
struct Answers {
  struct Served {
    Realm* realm{};
    std::uint32_t owner{};
  };
  std::vector<Served> served;
  bool unmapped{};
  bool read_only{};
  bool absent{}; // nothing is attached, or what blocks
  bool gone{};   // with its process
  bool known{true};

  bool refused() const { return unmapped || read_only || absent || gone; }
  // Who is refused need not leave an event.
  bool quietly() const { return absent || gone; }
};

struct WorldConfig {
  std::uint64_t seed{1};
  std::uint32_t actors{1};
  bool seeded{};                                        // one actor at a time, in an order given by the seed
  bool watch{true};                                     // the model's detector of stale uses
  bool adverse{true};                                   // the model does whatever it may
  std::function<void(const platform::Note&)> on_note{}; // of the driver's; any thread
};

// The machine of a long run with all that is in it, and what is known of it at each moment.
class World {
public:
  static constexpr unsigned pasid_bits = 11;

  // Throws hosted::SetupError, machine::DriverRefused.
  World(const WorldConfig& config, Findings& findings);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  static WorldSize size();
  // What an operation of a run does, for people.
  static std::string describe(const Operation& operation);

  // What the access may meet between these moments.
  Answers answers(const Access& access, std::uint64_t first, std::uint64_t last) const;
  // Whether the driver may refuse to attach, or must.
  enum class Refusal : std::uint8_t { wrong, possible, certain };
  Refusal refusal(const LongTarget& target, const Realm& realm, std::uint64_t first, std::uint64_t last) const;

  // Removes all devices and ends all realms, and looks at what is left. All model::Ports are gone by then.
  machine::Remains tear_down();

  Moments moments;
  Findings& findings;
  machine::Machine machine;
  machine::SmmuNode& node;
  Witness witness;
  machine::SmmuBroadcasts broadcasts;
  Common common;
  std::vector<std::unique_ptr<LongDevice>> devices;
  std::vector<std::unique_ptr<LongTarget>> targets;
  std::vector<std::unique_ptr<Realm>> realms;

  // False: it is there already, or gone, or somebody is at it.
  bool remove(LongDevice& device);
  bool add(LongDevice& device);
  // A device that was at a guest's STE is no more.
  void leave_guest(LongTarget& target, Realm& realm);

private:
  iommu::Device* add_one(const LongDevice& device, std::span<const std::uint32_t> streams);
  void remove_one(base::Atomic<iommu::Device*>& device, std::uint32_t stream);
  void make_homes();
  void make_devices();
  void make_realms();
};

} // namespace sluice::scenario
