#pragma once

#include <sluice/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

// Memory of this process at addresses that somebody else named: read and written through the kernel, which answers
// instead of raising a signal when nothing is there. Half a microsecond a call.
namespace sluice::hosted::guarded {

// Errors of all: bad_address; what was before the bad byte may have been copied.
base::Status read(std::uint64_t from, std::span<std::byte> into);
base::Status write(std::uint64_t to, std::span<const std::byte> from);

// Makes every page present, as pinning does, without changing a byte.
base::Status populate(std::uint64_t start, std::uint64_t length, bool for_writing);

// Whether the range shows, shared, one file from one offset on. Where it does not, mremap() makes a copy of its first
// mapping that goes on with what follows in that one's file.
bool shows_one_file(std::uint64_t start, std::uint64_t length);

} // namespace sluice::hosted::guarded
