#include <sluice/arch/names/table.hpp>

namespace sluice::arch::names {

using detail::named;

std::span<const NamedField> fields_of(const L1Std&) {
  static constexpr auto names =
      detail::table<decltype(L1Std::fields)>(named(L1Std::Span, "Span"), named(L1Std::L2Ptr, "L2Ptr"));
  return names;
}

std::span<const NamedField> fields_of(const L1Cd&) {
  static constexpr auto names = detail::table<decltype(L1Cd::fields)>(named(L1Cd::V, "V"), named(L1Cd::L2Ptr, "L2Ptr"));
  return names;
}

std::span<const NamedField> fields_of(const PriRecord&) {
  static constexpr auto names = detail::table<decltype(PriRecord::fields)>(
      named(PriRecord::StreamID, "StreamID"), named(PriRecord::SubstreamID, "SubstreamID"),
      named(PriRecord::Priv, "Priv"), named(PriRecord::X, "X"), named(PriRecord::R, "R"), named(PriRecord::W, "W"),
      named(PriRecord::Last, "Last"), named(PriRecord::SSV, "SSV"), named(PriRecord::PRGIndex, "PRGIndex"),
      named(PriRecord::PageAddr, "PageAddr"));
  return names;
}

std::span<const NamedField> fields_of(const S1Table&) {
  static constexpr auto names = detail::table<decltype(S1Table::fields)>(
      named(S1Table::Valid, "Valid"), named(S1Table::Type, "Type"), named(S1Table::AF, "AF"),
      named(S1Table::NLTA, "NLTA"), named(S1Table::Protected, "Protected"), named(S1Table::PXNTable, "PXNTable"),
      named(S1Table::UXNTable, "UXNTable"), named(S1Table::APTable, "APTable"), named(S1Table::NSTable, "NSTable"));
  return names;
}

std::span<const NamedField> fields_of(const S1Leaf&) {
  static constexpr auto names = detail::table<decltype(S1Leaf::fields)>(
      named(S1Leaf::Valid, "Valid"), named(S1Leaf::Type, "Type"), named(S1Leaf::AttrIndx, "AttrIndx"),
      named(S1Leaf::NS, "NS"), named(S1Leaf::AP, "AP"), named(S1Leaf::SH, "SH"), named(S1Leaf::AF, "AF"),
      named(S1Leaf::nG, "nG"), named(S1Leaf::OA, "OA"), named(S1Leaf::GP, "GP"), named(S1Leaf::DBM, "DBM"),
      named(S1Leaf::Contiguous, "Contiguous"), named(S1Leaf::PXN, "PXN"), named(S1Leaf::UXN, "UXN"),
      named(S1Leaf::SW, "SW"), named(S1Leaf::PBHA, "PBHA"));
  return names;
}

std::span<const NamedField> fields_of(const S2Table&) {
  static constexpr auto names =
      detail::table<decltype(S2Table::fields)>(named(S2Table::Valid, "Valid"), named(S2Table::Type, "Type"),
                                               named(S2Table::AF, "AF"), named(S2Table::NLTA, "NLTA"));
  return names;
}

std::span<const NamedField> fields_of(const S2Leaf&) {
  static constexpr auto names = detail::table<decltype(S2Leaf::fields)>(
      named(S2Leaf::Valid, "Valid"), named(S2Leaf::Type, "Type"), named(S2Leaf::MemAttr, "MemAttr"),
      named(S2Leaf::S2AP, "S2AP"), named(S2Leaf::SH, "SH"), named(S2Leaf::AF, "AF"), named(S2Leaf::OA, "OA"),
      named(S2Leaf::DBM, "DBM"), named(S2Leaf::Contiguous, "Contiguous"), named(S2Leaf::XN, "XN"),
      named(S2Leaf::SW, "SW"), named(S2Leaf::PBHA, "PBHA"));
  return names;
}

std::uint64_t value_of(const NamedField& field, std::span<const std::uint64_t> words) {
  const std::size_t word = field.lo / 64u;
  if (word >= words.size()) {
    return 0;
  }
  const unsigned width = field.hi - field.lo + 1u;
  const unsigned shift = field.lo % 64u;
  const std::uint64_t mask = (width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1) << shift;
  const std::uint64_t bits = words[word] & mask;
  return field.address ? bits : bits >> shift;
}

} // namespace sluice::arch::names
