#include <sluice/scenario/operation.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace sluice::scenario {

namespace {

using Step = Operation::Kind;

constexpr std::array<std::string_view, Operation::kinds> kind_names{
    "access", "attach",  "detach",      "map",    "unmap", "defer",   "flush", "dirty",
    "rebind", "rebirth", "end_process", "remove", "add",   "handler", "finish"};

// Of a thousand.
struct Share {
  Step kind{};
  std::uint32_t weight{};
};
constexpr std::array<Share, Operation::kinds> shares{{{Step::access, 700},
                                                      {Step::attach, 80},
                                                      {Step::detach, 12},
                                                      {Step::map, 100},
                                                      {Step::unmap, 40},
                                                      {Step::defer, 16},
                                                      {Step::flush, 12},
                                                      {Step::dirty, 12},
                                                      {Step::rebind, 5},
                                                      {Step::rebirth, 3},
                                                      {Step::end_process, 2},
                                                      {Step::remove, 2},
                                                      {Step::add, 6},
                                                      {Step::handler, 4},
                                                      {Step::finish, 6}}};
constexpr std::uint32_t thousand = [] {
  std::uint32_t sum = 0;
  for (const Share& share : shares) {
    sum += share.weight;
  }
  return sum;
}();
static_assert(thousand == 1000);

Step draw_kind(hosted::Random& random) {
  std::uint32_t left = random.below(thousand);
  for (const Share& share : shares) {
    if (left < share.weight) {
      return share.kind;
    }
    left -= share.weight;
  }
  return Step::access;
}

// One of those that the actor may change; all others are within reach of accesses.
std::uint32_t own_target(hosted::Random& random, const WorldSize& size, std::uint32_t actor, std::uint32_t actors) {
  const std::uint32_t mine = (size.targets - actor + actors - 1) / actors;
  return random.below(mine) * actors + actor;
}

// Mostly one that goes with the target.
std::uint32_t draw_space(hosted::Random& random, const WorldSize& size, std::uint32_t target) {
  const auto& fit = target % size.device_targets == 0 ? size.without_pasid : size.with_pasid;
  return random.one_in(16) ? random.below(size.spaces) : fit[random.below(static_cast<std::uint32_t>(fit.size()))];
}

Operation draw(const WorldSize& size, std::uint32_t actor, std::uint32_t actors, hosted::Random& random) {
  Operation o;
  o.kind = draw_kind(random);
  o.actor = actor;
  o.details = random.below(1 << 16);
  switch (o.kind) {
  case Step::access:
    o.first = random.below(size.targets);
    o.second = random.below(size.cells);
    break;
  case Step::attach:
  case Step::detach:
    o.first = own_target(random, size, actor, actors);
    o.second = draw_space(random, size, o.first);
    if (o.first / size.device_targets == size.seldom_pasids && o.first % size.device_targets != 0 &&
        !random.one_in(8)) {
      o.kind = Step::detach;
    }
    break;
  case Step::remove:
  case Step::add:
    o.first = random.below(size.devices);
    break;
  default:
    o.first = random.below(size.spaces);
    o.second = random.below(size.cells);
  }
  return o;
}

// What the rest begins with: something is attached almost everywhere, and mapped.
std::vector<Operation> draw_beginning(const WorldSize& size, std::uint32_t actors, hosted::Random& random) {
  std::vector<Operation> all;
  for (std::uint32_t i = 0; i < size.targets; ++i) {
    all.push_back({Step::attach, i % actors, i, draw_space(random, size, i), random.below(1 << 16)});
  }
  for (std::uint32_t i = 0; i < size.spaces * size.cells; ++i) {
    all.push_back({Step::map, i % actors, i / size.cells, i % size.cells, random.below(1 << 16)});
  }
  return all;
}

} // namespace

std::string_view name(Step kind) { return kind_names.at(static_cast<std::size_t>(kind)); }

std::string to_text(const Operation& o) {
  return fmt::format("{} {} {} {} {}", o.actor, name(o.kind), o.first, o.second, o.details);
}

std::optional<Operation> parse_operation(std::string_view line) {
  std::istringstream in{std::string{line.substr(0, line.find('#'))}};
  Operation o;
  std::string word;
  std::string rest;
  if (!(in >> o.actor >> word >> o.first >> o.second >> o.details) || in >> rest) {
    return std::nullopt;
  }
  const auto* found = std::ranges::find(kind_names, word);
  if (found == kind_names.end()) {
    return std::nullopt;
  }
  o.kind = static_cast<Step>(found - kind_names.begin());
  return o;
}

std::vector<Operation> draw_operations(const WorldSize& size, std::uint32_t actors, std::size_t count,
                                       hosted::Random random) {
  std::vector<Operation> all = draw_beginning(size, actors, random);
  while (all.size() < count) {
    all.push_back(draw(size, static_cast<std::uint32_t>(all.size() % actors), actors, random));
  }
  all.resize(count);
  return all;
}

} // namespace sluice::scenario
