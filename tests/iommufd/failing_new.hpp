#pragma once

namespace sluice::iommufd::test {

// While it lives, one allocation of this thread fails: that after `good` ones.
class FailingNew {
public:
  explicit FailingNew(long good);
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  ~FailingNew();

  // Whether there was one that failed.
  static bool failed();
};

} // namespace sluice::iommufd::test
