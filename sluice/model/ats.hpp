#pragma once

#include <sluice/arch/pri.hpp>

#include <cstdint>
#include <optional>

// 3.9: what PCIe Address Translation Services and Page Requests carry between an endpoint and its SMMU.
namespace sluice::model {

// One ATS Translation Request, for the page that holds the address. R is always asked for.
struct TranslationRequest {
  std::uint32_t stream_id{};
  std::optional<std::uint32_t> substream_id{}; // the PASID
  std::uint64_t address{};
  bool no_write{};   // NW
  bool execute{};    // with a PASID only, as is the next
  bool privileged{}; // Priv
};

struct TranslationCompletion {
  enum class Status : std::uint8_t {
    success,
    unsupported_request, // UR: ask no more, until software has looked after it
    completer_abort,     // CA: this time
  };
  Status status{Status::unsupported_request};
  // Of success: 2^log2_size bytes, aligned to their size, at `address`. Without a right this is no translation, but the
  // answer that there is none for so many bytes.
  std::uint64_t address{};
  std::uint8_t log2_size{12};
  bool read{}, write{}, execute{};
  bool privileged{};        // that of the request
  bool global{};            // for every PASID
  bool untranslated_only{}; // U: must not be cached or used; the access goes untranslated

  bool succeeded() const { return status == Status::success; }
};

// 8: a Page Request message, or a Stop PASID marker: last, with a PASID and neither read nor write.
struct PageRequest {
  std::uint32_t stream_id{};
  std::optional<std::uint32_t> substream_id{};
  std::uint64_t address{}; // of the page
  bool read{}, write{};
  bool execute{}, privileged{}; // with a PASID only
  bool last{};
  std::uint16_t prg_index{}; // 9 bits

  bool stop_marker() const { return substream_id && last && !read && !write; }
};

// What became of a Page Request message, for checkers: the endpoint gets to know by Bus::page_response.
enum class PageRequestFate : std::uint8_t {
  queued,
  lost,    // 8.1: in an overflow; the response, if there is one, is Success, or Failure where the STE was no good
  refused, // 8.2: the response is Failure
};

// 8.1: a PRG Response message.
struct PageResponse {
  std::uint32_t stream_id{};
  std::optional<std::uint32_t> substream_id{};
  std::uint16_t prg_index{};
  arch::PrgResponse code{};
};

// 4.5.1: an Invalidation Request message.
struct AtcInvalidation {
  static constexpr std::uint8_t everything = 64; // log2_size

  std::uint32_t stream_id{};
  std::optional<std::uint32_t> substream_id{};
  bool global{};           // for every PASID; with a PASID only
  std::uint64_t address{}; // aligned to the size
  std::uint8_t log2_size{12};
  std::uint8_t tag{}; // ITag: of the invalidations that are not complete, no two have the same
};

enum class AtcAnswer : std::uint8_t {
  completed,
  pending,
  unsupported, // UR: no ATC there
};

} // namespace sluice::model
