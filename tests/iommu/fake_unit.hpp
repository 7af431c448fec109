#pragma once

#include <sluice/hosted/port.hpp>
#include <sluice/iommu/device.hpp>
#include <sluice/iommu/group.hpp>
#include <sluice/iommu/unit.hpp>

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace sluice::base {
inline void PrintTo(Errc e, std::ostream* os) { *os << "Errc " << static_cast<int>(e); }
} // namespace sluice::base

namespace sluice::test {

using base::Errc;
using iommu::Change;
using iommu::Target;

using Trace = std::vector<std::string>;

class FakeDomain : public iommu::Domain {
public:
  FakeDomain(iommu::Unit& unit, std::string name, Trace& trace)
      : iommu::Domain{unit, iommu::DomainType::paging, {}}, name_{std::move(name)}, trace_{trace} {}
  const std::string& name() const { return name_; }

private:
  void release() override { trace_.push_back("release " + name_); }

  std::string name_;
  Trace& trace_;
};

struct FakeUnit : iommu::Unit {
  explicit FakeUnit(hosted::Port& port) : iommu::Unit{port.platform()} {}
  iommu::Domain& identity() override { return identity_; }
  iommu::Domain& blocked() override { return blocked_; }
  base::Result<iommu::Domain*> make_paging(const iommu::PagingOptions&) override { return Errc::unsupported; }

  Trace trace;
  FakeDomain identity_{*this, "identity", trace};
  FakeDomain blocked_{*this, "blocked", trace};
};

class FakeAttachment : public iommu::Attachment {
public:
  FakeAttachment(iommu::Device& device, iommu::Domain& domain, Target target)
      : iommu::Attachment{device, domain, target} {}
};

class FakeDevice : public iommu::Device {
public:
  FakeDevice(FakeUnit& unit, std::string name) : iommu::Device{unit}, name_{std::move(name)}, trace_{unit.trace} {}

  Errc refuse{};
  bool refuses{};
  bool refuses_hitless{};
  std::uint32_t pasids{1 << 20};

  std::uint32_t max_pasids() const override { return pasids; }

private:
  static std::string at(Target t) { return t.is_rid() ? "rid" : std::to_string(t.value()); }
  void note(const std::string& what, const iommu::Attachment& a) {
    trace_.push_back(name_ + " " + what + " " + static_cast<FakeDomain&>(a.domain()).name() + " at " + at(a.target()));
  }

  base::Result<iommu::Attachment*> prepare(iommu::Domain& domain, Target target, iommu::Attachment*,
                                           const iommu::Options& options) override {
    if (refuses) {
      return refuse;
    }
    if (options.require_hitless && refuses_hitless) {
      return Errc::not_hitless;
    }
    auto* made = new FakeAttachment{*this, domain, target};
    note("prepare", *made);
    return made;
  }
  Change commit(iommu::Attachment& next, iommu::Attachment* old) override {
    note(old != nullptr ? "replace by" : "commit", next);
    if (!next.target().is_rid()) {
      pasids_[next.target().value()] = &next;
    }
    delete static_cast<FakeAttachment*>(old);
    return {.stores = 1, .commands = 2, .syncs = 1};
  }
  void abandon(iommu::Attachment& next) override {
    note("abandon", next);
    delete static_cast<FakeAttachment*>(&next);
  }
  Change detach_and_free(iommu::Attachment& old) override {
    note("detach", old);
    pasids_.erase(old.target().is_rid() ? 0 : old.target().value());
    delete static_cast<FakeAttachment*>(&old);
    return {.stores = 1, .commands = 2, .syncs = 1};
  }
  iommu::Attachment* find_pasid(std::uint32_t pasid) override {
    const auto it = pasids_.find(pasid);
    return it != pasids_.end() ? it->second : nullptr;
  }
  bool has_pasids() const override { return !pasids_.empty(); }

  std::string name_;
  Trace& trace_;
  std::map<std::uint32_t, iommu::Attachment*> pasids_;
};

struct World {
  hosted::Port port;
  FakeUnit unit{port};
  FakeDomain a{unit, "A", unit.trace};
  FakeDomain b{unit, "B", unit.trace};
  FakeDevice x{unit, "x"};
  FakeDevice y{unit, "y"};
};

} // namespace sluice::test
