#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/iommufd/host.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::advise {

// Writes a line of JSON for each call: what was asked, with the data that it points at, and what was answered.
//   {"n":7,"iommufd":1,"call":"HWPT_INVALIDATE","request":{"hwpt_id":4,...},"data":["0x30",...],"answer":{"entry_num":1}}
// A call that failed has "errno":"EOPNOTSUPP" too. Fields of 64 bits are strings in hexadecimal.
class Recorder {
public:
  // Takes a whole line, from any thread.
  using Sink = std::function<void(std::string_view line)>;

  Recorder(iommufd::Caller& caller, Sink sink) : caller_{caller}, sink_{std::move(sink)} {}
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void record(std::uint64_t context, const iommufd::CallRecord& call);
  // A call of another kind of descriptor: what it was, and 0 or a negative errno.
  void record(std::string_view kind, std::uint64_t number, std::string_view call, int result);

private:
  iommufd::Caller& caller_;
  Sink sink_;
  base::Atomic<std::uint64_t> count_{0};
};

} // namespace sluice::advise
