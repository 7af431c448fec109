#include "failing_new.hpp"
#include "fakes.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

// The rules that all calls share, on every call, as calls.txt says.
namespace sluice::iommufd::test {
namespace {

struct Field {
  std::size_t offset{};
  std::size_t width{};
  std::uint64_t value{};
};

struct Set {
  Field field;
  int answer{};
};

struct Pointer {
  std::size_t offset{};
  int null{};
  int bad{};
};

struct Row {
  std::uint32_t nr{};
  std::string name;
  std::uint32_t size{};
  std::uint32_t min{};
  int answer{};
  bool writes{};
  std::vector<Field> fields;
  std::vector<Set> sets;
  std::vector<Pointer> pointers;
};

int errno_of(const std::string& name) {
  static const std::map<std::string, int> known{{"0", 0},
                                                {"EBADF", EBADF},
                                                {"EBUSY", EBUSY},
                                                {"EEXIST", EEXIST},
                                                {"EFAULT", EFAULT},
                                                {"EINVAL", EINVAL},
                                                {"EMSGSIZE", EMSGSIZE},
                                                {"ENOENT", ENOENT},
                                                {"EOPNOTSUPP", EOPNOTSUPP},
                                                {"EOVERFLOW", EOVERFLOW}};
  return known.at(name);
}

Field field_of(const std::string& text) {
  const auto colon = text.find(':');
  const auto equals = text.find('=');
  return {std::stoul(text), std::stoul(text.substr(colon + 1)),
          equals == std::string::npos ? 1 : std::stoull(text.substr(equals + 1), nullptr, 0)};
}

std::vector<Row> read_rows() {
  std::vector<Row> rows;
  std::ifstream file{std::string{__FILE__}.substr(0, std::string{__FILE__}.rfind('/')) + "/calls.txt"};
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string kind;
    std::string first;
    std::string second;
    std::string skip;
    words >> kind;
    if (kind == "call") {
      Row row;
      words >> first >> row.name >> skip >> row.size >> skip >> row.min >> skip >> second >> skip;
      row.nr = static_cast<std::uint32_t>(std::stoul(first, nullptr, 0));
      row.answer = errno_of(second);
      row.writes = skip == "writes";
      rows.push_back(row);
    } else if (kind == "field") {
      words >> first;
      rows.back().fields.push_back(field_of(first));
    } else if (kind == "set") {
      words >> first >> second;
      rows.back().sets.push_back({field_of(first), errno_of(second)});
    } else if (kind == "pointer") {
      std::size_t offset{};
      words >> offset >> skip >> first >> skip >> second;
      rows.back().pointers.push_back({offset, errno_of(first), errno_of(second)});
    }
  }
  return rows;
}

// A client with one object of each kind, for one call. Its structure lies at the end of its memory, so that nothing is
// read or written beyond what it says.
class World {
public:
  explicit World(const Row& row, std::uint32_t size) : row_{row}, at_{c.caller.bytes.size() - std::max(size, 4U)} {
    c.ioas();
    device_ = *c.context.bind(c.rng, {});
    EXPECT_EQ(c.map(1, 0x1'0000, 0x1000), 0);
    EXPECT_EQ(c.hwpt(2, 1, u::hwpt_nest_parent), 0);
    EXPECT_EQ(c.viommu(2, 3), 0);
    EXPECT_EQ(c.ioas(), 5u);
    EXPECT_EQ(c.hwpt(2, 1, u::hwpt_dirty_tracking), 0);
    EXPECT_EQ(c.fault_queue(), 7u);
    u::VfioIoas vfio{.ioas_id = 1, .op = u::vfio_ioas_set};
    EXPECT_EQ(c.call(vfio), 0);
    const u::IovaRange range{0x10'0000, 0x1f'ffff};
    std::memcpy(&c.caller.bytes[Client::buffer], &range, sizeof range);
    put({0, 4, size});
    for (const Field& field : row.fields) {
      put(field);
    }
    before_ = c.context.objects();
  }
  ~World() { c.context.unbind(*device_); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void put(const Field& field) {
    for (std::size_t i = 0; i < field.width && at_ + field.offset + i < c.caller.bytes.size(); ++i) {
      c.caller.bytes[at_ + field.offset + i] = static_cast<std::byte>(field.value >> 8 * i);
    }
  }
  // 0 or errno. An error leaves no object behind.
  int call() { return call_at(at_); }
  int call_at(std::uint64_t pointer) {
    const int result = -c.context.ioctl(u::call(row_.nr), pointer);
    if (result != 0) {
      EXPECT_EQ(c.context.objects(), before_);
    }
    return result;
  }
  // The same, with one allocation that fails.
  int call_without(long good, bool& failed) {
    const FailingNew failing{good};
    const int result = -c.context.ioctl(u::call(row_.nr), at_);
    failed = FailingNew::failed();
    return result;
  }
  void make_structure_read_only() { c.caller.read_only_from = at_; }
  // What there is of each kind.
  std::vector<std::uint64_t> everything() {
    const auto n = [](auto count) { return static_cast<std::uint64_t>(count); };
    return {n(c.context.objects()), n(c.unit.domains.size()),
            n(c.unit.live_viommus), n(c.pages.live),
            n(c.pages.files),       n(c.channels.live_queues),
            c.limit.charged(false), n(c.unit.domains.empty() ? 0 : mapped())};
  }

private:
  std::size_t mapped() const {
    std::size_t pages = 0;
    for (const FakeDomain* domain : c.unit.domains) {
      pages += domain->pages.size();
    }
    return pages;
  }

  Client c;
  const Row& row_;
  std::uint64_t at_;
  Device* device_{};
  std::size_t before_{};
};

struct EveryCall : ::testing::Test {
  const std::vector<Row> rows = read_rows();
};

TEST_F(EveryCall, HasARow) {
  std::uint32_t nr = u::Destroy::nr;
  for (const Row& row : rows) {
    EXPECT_EQ(row.nr, nr++);
  }
  EXPECT_EQ(nr, u::IoasNoiommuGetPa::nr + 1);
}

TEST_F(EveryCall, IsEINVALBelowItsFirstSizeAndTakesAnyLargerOne) {
  for (const Row& row : rows) {
    for (std::uint32_t size = 0; size <= row.size + 8; ++size) {
      EXPECT_EQ(World(row, size).call(), size < row.min ? EINVAL : row.answer) << row.name << " of size " << size;
    }
  }
}

TEST_F(EveryCall, IsE2BIGWithAByteThatWeDoNotKnow) {
  for (const Row& row : rows) {
    for (std::uint32_t size = row.size + 1; size <= row.size + 8; ++size) {
      for (std::uint32_t at = row.size; at < size; ++at) {
        World world{row, size};
        world.put({at, 1, 1});
        EXPECT_EQ(world.call(), E2BIG) << row.name << " of size " << size << ", byte " << at;
      }
    }
  }
}

TEST_F(EveryCall, SaysWhatIsWrongWithAField) {
  for (const Row& row : rows) {
    for (const Set& set : row.sets) {
      World world{row, row.size};
      world.put(set.field);
      EXPECT_EQ(world.call(), set.answer) << row.name << " with " << set.field.value << " at " << set.field.offset;
    }
  }
}

TEST_F(EveryCall, IsEFAULTWhenItsStructureCannotBeReadAsFarAsItSays) {
  for (const Row& row : rows) {
    World world{row, row.size};
    EXPECT_EQ(world.call_at(0), EFAULT) << row.name;
    EXPECT_EQ(world.call_at(0x2'0000), EFAULT) << row.name;
    for (const std::uint32_t more : {1U, 8U, 0xffff'0000U}) {
      World longer{row, row.size};
      longer.put({0, 4, row.size + more});
      EXPECT_EQ(longer.call(), EFAULT) << row.name << " longer by " << more;
    }
  }
}

TEST_F(EveryCall, IsEFAULTWhenItsAnswerCannotBeWrittenAndNothingIsLeftBehind) {
  for (const Row& row : rows) {
    World world{row, row.size};
    world.make_structure_read_only();
    EXPECT_EQ(world.call(), row.writes ? EFAULT : row.answer) << row.name;
  }
}

TEST_F(EveryCall, SaysWhatIsWrongWithAPointerToData) {
  for (const Row& row : rows) {
    for (const Pointer& pointer : row.pointers) {
      World null{row, row.size};
      null.put({pointer.offset, 8, 0});
      EXPECT_EQ(null.call(), pointer.null) << row.name;
      World bad{row, row.size};
      bad.put({pointer.offset, 8, 0x2'0000});
      EXPECT_EQ(bad.call(), pointer.bad) << row.name;
    }
  }
}

TEST_F(EveryCall, ChangesNothingWhenAnAllocationFailsAndWorksAfterwards) {
  for (const Row& row : rows) {
    long n = 0;
    long refused = 0;
    for (bool failed = true; failed; ++n) {
      World world{row, row.size};
      const auto before = world.everything();
      const int result = world.call_without(n, failed);
      if (!failed || result != ENOMEM) { // or it has managed without
        ASSERT_EQ(result, row.answer) << row.name << ", allocation " << n;
      } else {
        ++refused;
        ASSERT_EQ(world.everything(), before) << row.name << ", allocation " << n;
        ASSERT_EQ(world.call(), row.answer) << row.name << ", after allocation " << n << " failed";
      }
    }
    std::cout << row.name << ": " << n - 1 << " allocations, without " << refused << " of them refused\n";
  }
}

} // namespace
} // namespace sluice::iommufd::test
