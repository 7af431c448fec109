#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/iommufd/host.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
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
  // A call of a VFIO device, {"vfio":0,...}: `request` and `answer` are the structure before and after it, as far as
  // they are there; `error` is an errno or 0.
  void record_device(std::uint64_t device, std::uint32_t number, std::span<const std::byte> request,
                     std::span<const std::byte> answer, int error);

private:
  iommufd::Caller& caller_;
  Sink sink_;
  base::Atomic<std::uint64_t> count_{0};
};

} // namespace sluice::advise
