#pragma once

#include <sluice/iommufd/context.hpp>

#include <array>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice::iommufd {

// One ioctl under way: the caller's structure, copied in and brought to the size that is known here.
struct Call {
  static constexpr std::size_t largest = 64;

  Context& context;
  std::uint64_t argument{};
  std::uint32_t caller_size{};
  std::uint32_t known_size{};
  alignas(8) std::array<std::byte, largest> data{};

  Objects& objects() { return context.objects_; }
  Host& host() { return context.host_; }
  platform::Sync& sync() { return context.sync_; }
  std::uint32_t& vfio_ioas() { return context.vfio_ioas_; }
  bool& accounts_by_process() { return context.accounts_by_process_; }
  Charge charge() { return {host().limit, accounts_by_process()}; }
  base::Result<std::uint64_t> unmap(Ioas& ioas, Range range) { return context.unmap(ioas, range); }

  template <class T>
  T& as() {
    static_assert(sizeof(T) <= largest && std::is_trivially_copyable_v<T>);
    return *reinterpret_cast<T*>(data.data());
  }
  // Writes the structure back, as much of it as the caller knows. Errors: bad_address.
  base::Status respond();

  // A queue with a descriptor: the caller has both, or neither. Errors: those of Objects::add() and respond().
  template <class Queue>
  base::Status hand_over(std::unique_ptr<Queue> made, std::uint32_t& id, std::uint32_t& descriptor) {
    const auto added = objects().add(std::move(made));
    if (!added) {
      return added.error();
    }
    Queue& queue = **added;
    id = queue.id();
    descriptor = static_cast<std::uint32_t>(queue.descriptor());
    if (const auto told = respond(); !told) {
      objects().remove(queue);
      return told;
    }
    queue.give_descriptor();
    return {};
  }

  // Data that a structure points at. A tail that the caller does not have is zero; one that we do not know is refused
  // as the caller of this function wants it. Errors: bad_address.
  template <class T>
  base::Result<T> read(std::uint64_t from) {
    T value{};
    if (auto status = host().caller.read(from, std::as_writable_bytes(std::span{&value, 1})); !status) {
      return status.error();
    }
    return value;
  }
};

struct CallEntry {
  std::uint32_t number;
  std::uint32_t size;     // of the structure as we know it
  std::uint32_t min_size; // as the first kernel with the call knew it
  Handler handler;
};

// Null: no such call.
const CallEntry* find_call(std::uint32_t number);

namespace calls {
base::Status destroy(Call& call);
base::Status ioas_alloc(Call& call);
base::Status ioas_allow_iovas(Call& call);
base::Status ioas_iova_ranges(Call& call);
base::Status ioas_map(Call& call);
base::Status ioas_map_file(Call& call);
base::Status ioas_copy(Call& call);
base::Status ioas_unmap(Call& call);
base::Status hwpt_alloc(Call& call);
base::Status hwpt_invalidate(Call& call);
base::Status get_hw_info(Call& call);
base::Status viommu_alloc(Call& call);
base::Status vdevice_alloc(Call& call);
base::Status veventq_alloc(Call& call);
base::Status option(Call& call);
base::Status vfio_ioas(Call& call);
base::Status ioas_change_process(Call& call);
base::Status hw_queue_alloc(Call& call);
base::Status fault_queue_alloc(Call& call);
base::Status hwpt_set_dirty_tracking(Call& call);
base::Status hwpt_get_dirty_bitmap(Call& call);
base::Status ioas_noiommu_get_pa(Call& call);
} // namespace calls

} // namespace sluice::iommufd
