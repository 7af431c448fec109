#include <sluice/hosted/scratch.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>

namespace sluice::hosted {
namespace {

// Sets a variable of the environment for one test.
class Setting {
public:
  Setting(const char* name, const char* value) : name_{name} {
    if (const char* old = std::getenv(name)) {
      old_ = old;
    }
    setenv(name, value, 1);
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;
  ~Setting() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }

private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(Scratch, IsAFolderThatGoesAwayWithAllItHolds) {
  std::filesystem::path path;
  {
    const Scratch scratch{1 << 20};
    path = scratch.path();
    std::filesystem::create_directory(path / "a");
    std::ofstream{path / "a" / "file"} << "text";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Scratch, IsInTheFolderThatTheEnvironmentNames) {
  const Scratch outer{1 << 20};
  const Setting setting{"SLUICE_SCRATCH", outer.path().c_str()};
  const Scratch scratch{1 << 20};
  EXPECT_EQ(scratch.path().parent_path(), outer.path());
}

TEST(Scratch, AFolderOfTheEnvironmentThatIsMissingIsAnError) {
  const Setting setting{"SLUICE_SCRATCH", "/nowhere/at/all"};
  EXPECT_THROW(Scratch{1}, SetupError);
}

TEST(Scratch, SaysWhatIsNeededWhereThereIsNoRoom) {
  try {
    const Scratch scratch{std::uint64_t{1} << 60};
    FAIL();
  } catch (const SetupError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("1099511627776 MiB are needed"), std::string::npos) << text;
    EXPECT_NE(text.find("SLUICE_SCRATCH"), std::string::npos) << text;
  }
}

} // namespace
} // namespace sluice::hosted
