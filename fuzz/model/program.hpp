#pragma once

#include "machine.hpp"

#include <optional>

namespace sluice::fuzz {

// An input as a program: a machine, then steps of software and traffic. After an invalidation of everything each
// answer of the SMMU has to be the reference's, as long as only the SMMU changes what is in memory.
class Program {
public:
  explicit Program(Input& input) : input_{input}, machine_{input} {}

  void run();

private:
  static constexpr unsigned most_steps = 40;

  void step();
  model::Request some_request();

  // Traffic
  void access();
  // False: nothing, because software lets streams share what they may not, and caches answer as they like.
  bool check(const model::Request& request);
  void check_reads(bool all);
  void compare(const model::Request& r, const reference::Answer& expected, const model::Outcome& outcome,
               const std::vector<arch::Event>& events, bool writable);
  void traffic_unchecked();
  void ats(const model::Request& request, std::uint64_t choice, bool fresh);
  void check_completion(const model::Request& request, const model::TranslationCompletion& completion,
                        const reference::Answer& expected);
  void follow_up();

  // Sharing of what is cached
  bool undisturbed(const reference::Registers& registers, const reference::Tags& tags);
  bool streams_agree();
  const std::optional<std::vector<reference::Tags>>& reachable(const reference::Registers& registers);
  void remember(const reference::Tags& tags);

  // Software
  void refresh();
  void spoil_something();
  void change_with_invalidation();
  void invalidate(const reference::Read& changed, const std::vector<std::uint64_t>& ipas, bool of_cd, bool was_leaf);
  void command();
  arch::Command some_command();
  void write_register();
  void read_register();
  void plant_or_heal();
  void answer_stall();

  Input& input_;
  Machine machine_;
  bool fresh_{true};
  bool hinted_{};                        // 4.2: something may be fetched that no transaction asks for
  std::optional<model::Request> latest_; // checked since everything was invalidated
  reference::Answer answer_;             // to that
  std::vector<reference::Tags> cached_;  // of what may be in the TLB since everything was invalidated
  // All that may get there, as of `changes` words of memory; no value: too much to tell.
  struct {
    std::uint64_t changes{~0ULL};
    std::optional<std::vector<reference::Tags>> tags{};
  } reachable_;
  std::vector<std::uint16_t> stalled_; // tickets of `port`
  std::vector<std::uint64_t> stags_;   // {StreamID, STAG}
};

} // namespace sluice::fuzz
