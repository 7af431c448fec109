#pragma once

#include <cstdint>

// Numbers of virtio 1.2 that a PCI device needs.
namespace sluice::pcie::virtio {

constexpr std::uint16_t vendor = 0x1af4;
constexpr std::uint16_t modern_device = 0x1040; // 4.1.2.1: plus the device type
constexpr std::uint16_t entropy_source = 4;     // 5.4

// 2.1 Device Status
constexpr std::uint8_t driver_ok = 4;
constexpr std::uint8_t features_ok = 8;
constexpr std::uint8_t needs_reset = 64;
constexpr std::uint8_t driver_status = 0x8f; // ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, FAILED

// 6 Reserved Feature Bits
constexpr std::uint64_t indirect_desc = 1ULL << 28;
constexpr std::uint64_t event_idx = 1ULL << 29;
constexpr std::uint64_t version_1 = 1ULL << 32;
constexpr std::uint64_t access_platform = 1ULL << 33;

// 4.1.4.3 Common configuration structure
namespace common {
constexpr std::uint64_t device_feature_select = 0x00;
constexpr std::uint64_t device_feature = 0x04;
constexpr std::uint64_t driver_feature_select = 0x08;
constexpr std::uint64_t driver_feature = 0x0c;
constexpr std::uint64_t config_msix_vector = 0x10;
constexpr std::uint64_t num_queues = 0x12;
constexpr std::uint64_t device_status = 0x14;
constexpr std::uint64_t queue_select = 0x16;
constexpr std::uint64_t queue_size = 0x18;
constexpr std::uint64_t queue_msix_vector = 0x1a;
constexpr std::uint64_t queue_enable = 0x1c;
constexpr std::uint64_t queue_desc = 0x20;
constexpr std::uint64_t queue_driver = 0x28;
constexpr std::uint64_t queue_device = 0x30;
constexpr std::uint64_t bytes = 0x38;
} // namespace common

constexpr std::uint16_t no_vector = 0xffff; // 4.1.5.1.2

// 4.1.4.5 ISR status
constexpr std::uint8_t isr_queue = 1;
constexpr std::uint8_t isr_configuration = 2;

// 4.1.4 struct virtio_pci_cap: cfg_type
enum class Structure : std::uint8_t { common = 1, notify = 2, isr = 3, device = 4 };

// 2.7.5, 2.7.6
constexpr std::uint16_t descriptor_next = 1;
constexpr std::uint16_t descriptor_write = 2;
constexpr std::uint16_t descriptor_indirect = 4;
constexpr std::uint16_t available_no_interrupt = 1;

} // namespace sluice::pcie::virtio
