#include <sluice/differential/departures.hpp>

#include <sluice/differential/quirks.hpp>

#include <array>

namespace sluice::differential {

namespace {

constexpr unsigned v7 = static_cast<unsigned>(Version::qemu7);
constexpr unsigned v11 = static_cast<unsigned>(Version::qemu11);
constexpr unsigned both = v7 | v11;
using Kind = Departure::Kind;
using namespace quirk;

// In QEMU's order where one hides another.
constexpr std::array all_departures{
    Departure{"far-iova", "3.4.1", "an input address has 64 bits", "what is at 2^48 or above never reaches the SMMU",
              v7, Kind::outcome, far_iova},
    Departure{"bypass-range", "3.4", "an address beyond OAS through a bypass is F_ADDR_SIZE", "lets it pass", both,
              Kind::outcome, bypass_range},
    Departure{"span-doubled", "5.1", "L1STD.Span n is 2^(n-1) STEs, from 12 or beyond SPLIT none", "takes it for 2^n",
              both, Kind::outcome, span_doubled},
    Departure{"span-beyond", "5.1", "a StreamID beyond the Span is C_BAD_STREAMID", "C_BAD_STE", both, Kind::outcome,
              span_beyond},
    Departure{"second-level-pointer", "5.1", "L1STD.L2Ptr is aligned to the size of its table", "adds to it as it is",
              v7, Kind::outcome, second_level_pointer},
    Departure{"s2-httu", "5.2.2", "S2HA or S2HD without HTTU is C_BAD_STE", "ignores them", v11, Kind::outcome,
              s2_httu},
    Departure{"start-level", "5.2", "a start level that has nothing to resolve for S2T0SZ is C_BAD_STE",
              "starts with index 0", v11, Kind::outcome, start_level},
    Departure{"s1stalld", "5.2.2", "S1STALLD is ignored without stage 1", "C_BAD_STE", v11, Kind::outcome, s1stalld},
    Departure{"s1cdmax", "5.2", "S1CDMax is ignored when SSIDSIZE is 0", "C_BAD_STE if it is not 0", both,
              Kind::outcome, s1cdmax},
    Departure{"context-pointer-48", "5.2", "S1ContextPtr has bits [51:48]", "ignores them", v7, Kind::outcome,
              context_pointer_48},
    Departure{"context-pointer-range", "5.2.2", "an S1ContextPtr beyond OAS is C_BAD_STE",
              "F_CD_FETCH; nested an abort without an event", both, Kind::outcome, context_pointer_range},
    Departure{"s2t0sz-by-s2ps", "5.2", "S2T0SZ is at least 64 - IAS", "C_BAD_STE where it is less than 64 - S2PS", v11,
              Kind::outcome, s2t0sz_by_s2ps},
    Departure{"stage1-range", "3.4", "an address beyond IAS with stage 2 alone is F_ADDR_SIZE",
              "aborts without an event", v11, Kind::outcome, stage1_range},
    Departure{"concatenation", "DDI 0487 D8.2.2", "concatenated stage 2 tables are indexed as one",
              "looks into the first of them", v11, Kind::outcome, concatenation},
    Departure{"s2ptw", "5.2", "with S2PTW, a CD or table in stage 2 Device memory is F_PERMISSION", "reads it", v11,
              Kind::outcome, s2ptw},
    Departure{"ttb-bit-51", "5.4", "TTBs have bit 51", "ignores it", v7, Kind::outcome, ttb_bit_51},
    Departure{"tbi1", "5.4", "TBI1 is for the upper half", "goes by TBI0 there", v11, Kind::outcome, tbi1},
    Departure{"both-ttbs", "7.3.22", "nested, a TTB is translated when a walk begins there",
              "translates both with the CD; a fault has RnW 1 and the whole IPA", v11, Kind::outcome, both_ttbs},
    Departure{"table-permission", "7.3.22", "permissions of tables count when the leaf is found",
              "F_PERMISSION before the next level is looked at", both, Kind::outcome, table_permission},
    Departure{"table-base", "7.3.13", "nested, the address of each descriptor is translated",
              "translates where its table begins; a fault is recorded if CD.R says so, with S2 0", v11, Kind::outcome,
              table_base},
    Departure{"stage2-tables", "3.4", "a stage 2 table beyond S2PS is F_ADDR_SIZE", "reads there, and F_WALK_EABT", v11,
              Kind::outcome, stage2_tables},
    Departure{"stage2-block-level", "DDI 0487 D8.3.1", "a stage 2 block at a level that has none is F_TRANSLATION",
              "takes it", v11, Kind::outcome, stage2_block_level},
    Departure{"access-flag", "5.4", "AF 0 is F_ACCESS unless AFFD", "ignores AF", v7, Kind::outcome, access_flag},
    Departure{"unprivileged", "DDI 0487 D8.4.1.2", "AP[1] and APTable[0] forbid what is not privileged", "ignores them",
              both, Kind::outcome, unprivileged},
    Departure{"block-level", "DDI 0487 D8.3.1", "a stage 1 block at a level that has none is F_TRANSLATION", "takes it",
              both, Kind::outcome, block_level},
    Departure{"table-range", "3.4", "a stage 1 table beyond IPS is F_ADDR_SIZE",
              "reads there, and F_WALK_EABT; nested F_ADDR_SIZE with CLASS TTD and an IPA", both, Kind::outcome,
              table_range},
    Departure{"leaf-range", "3.4", "a stage 1 output beyond IPS is F_ADDR_SIZE", "makes the access", v7, Kind::outcome,
              leaf_range},
    Departure{"leaf-order", "7.3.22", "F_ADDR_SIZE comes before F_ACCESS and F_PERMISSION", "after them", v11,
              Kind::outcome, leaf_order},
    Departure{"cd-fetch-address", "7.3.10", "FetchAddr of F_CD_FETCH is in the last word", "in the one before", both,
              Kind::record, cd_fetch_address},
    Departure{"no-class", "7.3.13", "CLASS of a fault at an input is IN", "0", v7, Kind::record, no_class},
    Departure{"ipa-offset", "7.3.13", "the record has IPA[55:12], and 0 below", "the whole IPA", v11, Kind::record,
              ipa_offset},
    Departure{"rnw-of-fetch", "7.3.13", "RnW is the transaction's", "1 where the CD's IPA faults", v11, Kind::record,
              rnw_of_fetch},
    Departure{"s2aa64", "5.2.2", "S2AA64 0 without AArch32 tables is C_BAD_STE", "ends itself by an assertion", v11,
              Kind::fatal, nullptr, aarch32_stage2},
    Departure{"ips", "5.4", "IPS beyond OAS is OAS", "ends itself by an assertion where IPS is 6 or 7", v11,
              Kind::fatal, nullptr, reserved_ips},
};

} // namespace

std::span<const Departure> departures() { return all_departures; }

} // namespace sluice::differential
