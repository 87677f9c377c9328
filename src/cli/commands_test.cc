#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "cli/command.h"

namespace spillway::cli {
namespace {

// Every declare_x that a file of this room defines is in the list, under the name x.
TEST(Commands, NoneIsMissingFromTheList) {
  const std::regex definition("\nCommandRun declare_([a-z_]+)\\(CLI::App& ");
  std::set<std::string> defined;
  for (const auto& file : std::filesystem::directory_iterator(SPILLWAY_SOURCE_DIR "/src/cli")) {
    if (file.path().extension() != ".cc") continue;
    std::stringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const std::string source = text.str();
    for (std::sregex_iterator it(source.begin(), source.end(), definition), end; it != end; ++it)
      defined.insert((*it)[1]);
  }
  std::set<std::string> listed;
  for (const auto& command : commands()) {
    EXPECT_TRUE(listed.insert(std::string(command.name)).second) << command.name << " twice";
    EXPECT_FALSE(command.summary.empty()) << command.name;
  }
  EXPECT_EQ(listed, defined);
}

}  // namespace
}  // namespace spillway::cli
