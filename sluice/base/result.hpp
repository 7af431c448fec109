#pragma once

#include <sluice/base/check.hpp>
#include <sluice/base/errc.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace sluice::base {

// A value or the reason why there is none. Looking at the wrong half traps.
template <class T>
class [[nodiscard]] Result {
public:
  using value_type = T;

  constexpr Result(T value)
      : value_{std::move(value)}, has_{true} {}                // NOLINT: implicit, so that `return value;` reads well
  constexpr Result(Errc error) : error_{error}, has_{false} {} // NOLINT: likewise
  constexpr Result(Result&& other) noexcept : has_{other.has_} { take(std::move(other)); }
  constexpr Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      drop();
      has_ = other.has_;
      take(std::move(other));
    }
    return *this;
  }
  constexpr Result(const Result& other) requires std::is_copy_constructible_v<T> : has_{other.has_} {
    if (has_) {
      std::construct_at(&value_, other.value_);
    } else {
      error_ = other.error_;
    }
  }
  Result& operator=(const Result&) = delete;
  constexpr ~Result() { drop(); }

  constexpr explicit operator bool() const { return has_; }
  constexpr bool ok() const { return has_; }
  constexpr T& operator*() & { return value(); }
  constexpr const T& operator*() const& { return value(); }
  constexpr T&& operator*() && { return std::move(value()); }
  constexpr T* operator->() { return &value(); }
  constexpr const T* operator->() const { return &value(); }
  constexpr T& value() {
    check(has_);
    return value_;
  }
  constexpr const T& value() const {
    check(has_);
    return value_;
  }
  constexpr Errc error() const {
    check(!has_);
    return error_;
  }
  constexpr T value_or(T other) const { return has_ ? value_ : other; }

  friend constexpr bool operator==(const Result& r, Errc e) { return !r.has_ && r.error_ == e; }

private:
  constexpr void take(Result&& other) {
    if (has_) {
      std::construct_at(&value_, std::move(other.value_));
    } else {
      error_ = other.error_;
    }
  }
  constexpr void drop() {
    if (has_) {
      std::destroy_at(&value_);
    }
  }

  union {
    T value_;
    Errc error_;
  };
  bool has_;
};

template <>
class [[nodiscard]] Result<void> {
public:
  using value_type = void;

  constexpr Result() = default;
  constexpr Result(Errc error) : error_{error}, has_{false} {} // NOLINT: implicit, so that `return Errc::x;` reads well

  constexpr explicit operator bool() const { return has_; }
  constexpr bool ok() const { return has_; }
  constexpr Errc error() const {
    check(!has_);
    return error_;
  }

  friend constexpr bool operator==(const Result& r, Errc e) { return !r.has_ && r.error_ == e; }

private:
  Errc error_{};
  bool has_{true};
};

using Status = Result<void>;

// How far a bulk operation came, and why it stopped there. `done` counts bytes from the start of the range.
struct [[nodiscard]] Progress {
  std::uint64_t done{};
  Status status{};

  constexpr explicit operator bool() const { return status.ok(); }
  constexpr bool ok() const { return status.ok(); }
  constexpr Errc error() const { return status.error(); }
};

} // namespace sluice::base
