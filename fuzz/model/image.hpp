#pragma once

#include "../input.hpp"
#include "../reference/rules.hpp"
#include "memory.hpp"

#include <cstdint>
#include <vector>

namespace sluice::fuzz {

// What lies in memory: stream tables, CDs and trees, near-legal as an input chooses them, and spoilt here and there.
class Image {
public:
  static constexpr unsigned streams = 4;
  static constexpr std::uint64_t arena_bytes = 16ULL << 20;

  Image(Input& input, Memory& memory, const reference::Registers& facts);

  std::uint64_t commands{}, events{}, page_requests{}; // queues
  std::uint64_t stream_table{};
  std::uint32_t stream_table_cfg{};
  bool has_substreams{};
  std::vector<std::uint64_t> inputs;  // addresses that something is mapped at
  std::vector<std::uint64_t> words;   // where structures and descriptors were put
  std::vector<std::uint64_t> outputs; // pages

  // Puts a word that is spoilt on purpose: one bit of it is another, or all of it is another word.
  void spoil(Input& input, std::uint64_t at);

private:
  struct Tree {
    unsigned granule{};
    int start{};
    unsigned input_bits{};
    std::uint64_t root{};
  };

  std::uint64_t alloc(std::uint64_t bytes, std::uint64_t align);
  void put(std::uint64_t at, std::uint64_t word);
  template <class S>
  void put_structure(std::uint64_t at, const S& s);
  unsigned some_granule(unsigned code) const;

  void make_streams();
  std::uint64_t ste_address(unsigned stream);
  arch::Ste make_ste();
  void make_stage2(arch::Ste& ste);
  std::uint64_t make_cds(arch::Ste& ste);
  arch::Cd make_cd();
  Tree stage1_tree(unsigned granule, unsigned txsz);
  void map(const Tree& tree, std::uint64_t input, int level, std::uint64_t leaf);
  std::uint64_t some_input(const Tree& tree);
  std::uint64_t some_output(unsigned low);
  std::uint64_t stage1_leaf();
  std::uint64_t stage2_leaf();

  Input& input_;
  Memory& memory_;
  const reference::Registers& facts_;
  std::uint64_t base_{}, next_{};
  std::uint64_t l2_tables_[2]{};
};

} // namespace sluice::fuzz
