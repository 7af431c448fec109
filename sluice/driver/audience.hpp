#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/iommu/change.hpp>
#include <sluice/platform/sync.hpp>

#include <span>

namespace sluice::driver {

class SmmuDevice;

// One target of a device that may hold translations of a domain. Embedded in the attachment: attaching and detaching
// take the same time whoever else is there, and detaching allocates nothing. `streams` outlives it.
class Listener : public platform::Retired {
public:
  Listener(std::span<const StreamID> streams, iommu::Target target, SmmuDevice* device = nullptr)
      : streams_{streams}, target_{target}, device_{device} {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::span<const StreamID> streams() const { return streams_; }
  iommu::Target heard_at() const { return target_; }
  SmmuDevice* device() const { return device_; }
  // Whether the endpoint caches translations; and whether by addresses that whoever changes the domain does not know.
  bool has_atc() const { return atc_; }
  bool hears_everything() const { return everything_; }
  const Listener* next() const { return next_.load(base::Order::acquire); }

  // Before it is in the audience:
  void set_atc(bool has) { atc_ = has; }
  void hear_everything() { everything_ = true; }

protected:
  ~Listener() = default;

private:
  friend class Audience;
  using Link = base::Atomic<Listener*>;

  std::span<const StreamID> streams_;
  iommu::Target target_;
  SmmuDevice* device_;
  bool everything_{};
  bool atc_{};
  Link next_{nullptr};
  Link* at_{}; // what points here; with the unit's mutex held
};

// Who may hold translations of a domain, in a list that map and unmap read without a lock. Who attaches is in it before
// the first entry is stored, and leaves when the last has been replaced and the SMMU knows.
class Audience {
public:
  Audience() = default;
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  // With the unit's mutex held:
  void add(Listener& listener);
  // Who has found it may still be reading it. True if nobody is left.
  bool remove(Listener& listener);

  // In a read section, after the change that they must learn of and a full_fence. Null: nobody.
  const Listener* first() const { return first_.load(base::Order::acquire); }
  bool anybody() const { return first() != nullptr; }
  bool any_atc() const { return atcs_.load(base::Order::relaxed) != 0; }

private:
  Listener::Link first_{nullptr};
  base::Atomic<std::uint32_t> atcs_{0}; // listeners that have one
};

} // namespace sluice::driver
