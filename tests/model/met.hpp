#pragma once

#include <sluice/model/observer.hpp>

#include <mutex>
#include <set>
#include <utility>

// Which conditions the test in hand has met; conditions.cpp writes down which test met which.
namespace sluice::model::test {

class Met final : public Observer {
public:
  static Met& instance() {
    static Met met;
    return met;
  }
  void met(const Condition& condition) override {
    const std::lock_guard guard{lock_};
    all_.insert({condition.kind, condition.number});
  }
  using All = std::set<std::pair<Condition::Kind, std::uint16_t>>;
  All take() {
    const std::lock_guard guard{lock_};
    return std::exchange(all_, {});
  }

private:
  std::mutex lock_;
  All all_;
};

} // namespace sluice::model::test
