#pragma once

#include <cstdint>

// Encodings of memory attributes that several structures and registers share.
namespace sluice::arch {

// SH fields of STE, CD, CMD_SYNC, CR1, x_IRQ_CFG2 and of descriptors. 5.2, 5.4, 6.3.11
enum class Shareability : std::uint8_t {
  non_shareable = 0,
  reserved = 1, // behaves as non_shareable
  outer = 2,
  inner = 3,
};

// CD.{IR,OR}x, STE.S2{IR,OR}0 and STE.{S1CIR,S1COR}. 5.2, 5.4
enum class Cacheability : std::uint8_t {
  non_cacheable = 0,
  write_back = 1,             // read-allocate, and write-allocate for walks
  write_through = 2,          // read-allocate
  write_back_no_allocate = 3, // walks: no write-allocate; S1CIR, S1COR: no read-allocate
};

// CR1.{QUEUE,TABLE}_{IC,OC}. 6.3.11
enum class RegisterCacheability : std::uint8_t {
  non_cacheable = 0,
  write_back = 1,
  write_through = 2,
  reserved = 3, // behaves as non_cacheable
};

// STE.SHCFG and GBPA.SHCFG. 5.2, 6.3.14
enum class ShareabilityOverride : std::uint8_t { non_shareable = 0, incoming = 1, outer = 2, inner = 3 };

// STE.PRIVCFG and GBPA.PRIVCFG. 5.2
enum class PrivilegeOverride : std::uint8_t { incoming = 0, reserved = 1, unprivileged = 2, privileged = 3 };

// STE.INSTCFG and GBPA.INSTCFG; reads only. 5.2
enum class InstructionOverride : std::uint8_t { incoming = 0, reserved = 1, data = 2, instruction = 3 };

// STE.NSCFG of a Secure STE. 5.2
enum class SecurityOverride : std::uint8_t { incoming = 0, reserved = 1, secure = 2, non_secure = 3 };

// STE.MemAttr, GBPA.MemAttr, x_IRQ_CFG2.MemAttr, CMD_SYNC.MSIAttr and, without FWB, MemAttr of a stage 2 descriptor:
// [3:2] outer, [1:0] inner. 13, DDI 0487 D8.6
enum class MemAttr : std::uint8_t {
  device_ngnrne = 0b0000,
  device_ngnre = 0b0001,
  device_ngre = 0b0010,
  device_gre = 0b0011,
  onc_inc = 0b0101,
  onc_iwt = 0b0110,
  onc_iwb = 0b0111,
  owt_inc = 0b1001,
  owt_iwt = 0b1010,
  owt_iwb = 0b1011,
  owb_inc = 0b1101,
  owb_iwt = 0b1110,
  owb_iwb = 0b1111,
};

constexpr bool is_device(MemAttr attr) { return (static_cast<unsigned>(attr) & 0b1100) == 0; }

// ALLOCCFG of STE and GBPA: 0xxx keeps the incoming hints, 1RWT overrides them. 5.2
namespace alloccfg {
inline constexpr std::uint64_t incoming = 0b0000;
inline constexpr std::uint64_t override = 0b1000;
inline constexpr std::uint64_t read_allocate = 0b0100;
inline constexpr std::uint64_t write_allocate = 0b0010;
inline constexpr std::uint64_t transient = 0b0001;
} // namespace alloccfg

// Attribute bytes of MAIR. DDI 0487 MAIR_EL1
namespace mair {
inline constexpr std::uint8_t device_ngnrne = 0x00;
inline constexpr std::uint8_t device_ngnre = 0x04;
inline constexpr std::uint8_t device_ngre = 0x08;
inline constexpr std::uint8_t device_gre = 0x0c;
inline constexpr std::uint8_t normal_nc = 0x44;
inline constexpr std::uint8_t normal_wt_ra_wa = 0xbb;
inline constexpr std::uint8_t normal_wb_ra_wa = 0xff;
} // namespace mair

} // namespace sluice::arch
