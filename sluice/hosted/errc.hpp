#pragma once

#include <sluice/base/errc.hpp>
#include <sluice/hosted/enumerators.hpp>

#include <cstddef>
#include <string_view>

namespace sluice::hosted {

// As it is written in errc.hpp.
constexpr std::string_view name(base::Errc e) { return enumerators<base::Errc, 256>[static_cast<std::size_t>(e)]; }
static_assert(name(base::Errc::no_memory) == "no_memory" && name(base::Errc::timed_out) == "timed_out");
static_assert(name(static_cast<base::Errc>(255)).empty());

} // namespace sluice::hosted
