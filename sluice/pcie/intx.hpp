#pragma once

namespace sluice::pcie {

// The wire of a function's interrupt pin: a level. Calls alternate and come in the order of the changes; they may come
// from any thread, with a lock of the function held, and must neither wait nor call the function.
class Intx {
public:
  virtual void assert_line() = 0;
  virtual void deassert_line() = 0;

protected:
  ~Intx() = default;
};

} // namespace sluice::pcie
