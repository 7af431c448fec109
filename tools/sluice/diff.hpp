#pragma once

#include <ports/qemu/differential.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::tool {

struct DiffArguments {
  bool json{};
  std::vector<std::string> qemus; // installed, fetched, or a program; empty: the first two
  std::optional<std::uint64_t> seed;
  std::uint64_t cases{differential::ContestOptions{}.cases};
  std::optional<std::uint64_t> one; // the number of the only case
  std::string plant;                // empty: none
};

struct DiffResult {
  std::string qemu;
  std::optional<ports::qemu::DifferentialReport> report;
  std::string absent; // why there is none

  bool holds() const { return report && report->passed(); }
};

struct DiffResults {
  DiffArguments arguments;
  std::uint64_t seed{};
  std::vector<DiffResult> results;

  bool hold() const;
};

// `sluice diff-qemu`. The exit status: 0 when QEMU differs from the model only as listed, 1 when it does not, 2 when it
// could not be run, 77 when the fetched QEMU alone is not there.
int diff(const DiffArguments& arguments);

// For people and for programs.
std::string table(const DiffResults& results);
std::string json(const DiffResults& results);

} // namespace sluice::tool
