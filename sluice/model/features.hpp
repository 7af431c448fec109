#pragma once

#include <sluice/model/adversary.hpp>

#include <cstdint>

namespace sluice::model {

class Observer;

// What an SMMU is made with; the ID registers follow from it (6.3.1 - 6.3.8). A combination that the architecture
// forbids is refused when the SMMU is made.
struct Features {
  unsigned version{2};              // AIDR minor: v3.0 .. v3.4
  bool stage1{true};                // IDR0.S1P
  bool stage2{true};                // IDR0.S2P
  bool coherent{true};              // IDR0.COHACC
  bool asid16{true};                // IDR0.ASID16
  bool vmid16{true};                // IDR0.VMID16
  bool two_level_streams{true};     // IDR0.ST_LEVEL
  bool two_level_cds{true};         // IDR0.CD2L
  bool hyp{true};                   // IDR0.Hyp
  bool sev{false};                  // IDR0.SEV
  bool msi{false};                  // IDR0.MSI
  bool ats{false};                  // IDR0.ATS
  bool pri{false};                  // IDR0.PRI
  bool split_stage_ats{true};       // IDR0.NS1ATS is 0
  bool ats_record_errors{false};    // IDR0.ATSRECERR
  bool btm{false};                  // IDR0.BTM
  unsigned httu{0};                 // IDR0.HTTU: 0 none, 1 access flag, 2 and dirty state
  unsigned stall_model{1};          // IDR0.STALL_MODEL: 0 both, 1 terminate only, 2 forced
  bool terminate_only_abort{false}; // IDR0.TERM_MODEL
  bool attr_types_override{true};   // IDR1.ATTR_TYPES_OVR
  bool attr_perms_override{true};   // IDR1.ATTR_PERMS_OVR
  unsigned streamid_bits{16};       // IDR1.SIDSIZE
  unsigned substreamid_bits{0};     // IDR1.SSIDSIZE
  unsigned cmdq_log2{10};           // IDR1.CMDQS
  unsigned eventq_log2{10};         // IDR1.EVENTQS
  unsigned priq_log2{10};           // IDR1.PRIQS
  bool range_invalidation{true};    // IDR3.RIL
  unsigned bbml{2};                 // IDR3.BBML
  bool fwb{true};                   // IDR3.FWB
  bool xnx{true};                   // IDR3.XNX
  bool had{true};                   // IDR3.HAD
  bool small_tables{true};          // IDR3.STT
  bool gran4k{true};                // IDR5.GRAN4K
  bool gran16k{true};               // IDR5.GRAN16K
  bool gran64k{true};               // IDR5.GRAN64K
  unsigned oas_bits{44};            // IDR5.OAS: 32 36 40 42 44 48 52
  bool va52{false};                 // IDR5.VAX
  unsigned stall_max{0};            // IDR5.STALL_MAX
  bool vmw{false};                  // IDR0.VMW
  bool e0pd{false};                 // IDR3.E0PD
  bool ptwnnc{false};               // IDR3.PTWNNC
  bool pri_pasid{false};            // IDR3.PPS
  bool pasid_translated{false};     // IDR3.PASIDTT
  // Not modelled; who asks for one is refused by its name.
  bool secure{false};     // S_IDR1.SECURE_IMPL
  bool rme{false};        // IDR0.RME_IMPL
  bool aarch32{false};    // IDR0.TTF[0]: VMSAv8-32
  bool big_endian{false}; // IDR0.TTENDIAN other than little-endian
  bool atos{false};       // IDR0.ATOS
  bool vatos{false};      // IDR0.VATOS
  bool ecmdq{false};      // IDR1.ECMDQ
  bool mpam{false};       // IDR3.MPAM
  bool dpt{false};        // IDR3.DPT
  bool ds{false};         // IDR5.DS: 52 bits with 4 KB and 16 KB granules
  bool d128{false};       // IDR5.D128
};

// What the architecture leaves open (rule 6 of the design), each with a default.
struct Knobs {
  // 5: a non-zero reserved field makes a structure or command ILLEGAL; else it is ignored.
  bool reserved_bits_illegal{true};
  unsigned ste_cache{64}; // entries of each port's caches, powers of two
  unsigned cd_cache{64};
  unsigned tlb{65536};                        // 32 bytes each, as far as they are used
  unsigned walk_cache{512};                   // pointers to tables
  bool merge_events{false};                   // 7.3.1: with STE.MEV, an event as the latest in the queue is merged
  bool wires{true};                           // 3.18: interrupts have wires, whether or not IDR0.MSI
  std::uint64_t sync_hold_report_us{200'000}; // a SYNC held up longer than this names the port that holds it
  std::uint64_t atc_timeout_us{500'000};      // 3.9.1.4: an endpoint that takes longer to invalidate has failed
  bool grant_unasked_write{true};             // 13.7: a request with NW gets W where the page is writable-dirty
  bool truncate_translated{false};            // 3.9.1.1: an address beyond OAS is truncated; else it aborts
  bool terminate_translated{false};           // 3.9.1.3: S1DSS also ends translated traffic without a PASID
  bool override_translated{true};             // 13.7: PRIVCFG and INSTCFG count for translated traffic with EATS 0b01
  bool watch_stale{false};         // rule 6 of the design: uses of what memory no longer holds are noted, see StaleUse
  unsigned stale_after_syncs{1};   // of a difference: how many CMD_SYNCs have to complete before its use counts
  std::uint64_t stale_after_us{0}; // or after how much time it counts too, where there may be no CMD_SYNC; 0: never
  Adversary adversary{};
  Observer* observer{}; // hears of each condition that is met
};

} // namespace sluice::model
