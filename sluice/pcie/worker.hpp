#pragma once

namespace sluice::pcie {

// Told that a function has work for its run(), by the thread that gave it the work and without a lock held: it may run
// it at once or wake somebody.
class Worker {
public:
  virtual void on_work() = 0;

protected:
  ~Worker() = default;
};

} // namespace sluice::pcie
