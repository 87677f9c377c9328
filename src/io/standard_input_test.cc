#include "io/standard_input.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "io/asio_loop.h"

namespace spillway::io {
namespace {

// A pipe in place of standard input.
class StandardInputTest : public testing::Test {
 protected:
  StandardInputTest() : before_(::dup(STDIN_FILENO)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    EXPECT_EQ(::dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    ::close(ends[0]);
    writer_ = ends[1];
  }
  ~StandardInputTest() override {
    if (writer_ >= 0) ::close(writer_);
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }
  std::string read(StandardInput& input) {
    std::string got;
    input.read([&](Result<std::string> result) {
      got = std::move(result).value();
      loop_.stop();
    });
    loop_.run();
    return got;
  }

  AsioLoop loop_;
  int writer_ = -1;

 private:
  const int before_;
};

TEST_F(StandardInputTest, GivesWhatIsThereThenTheEnd) {
  auto input = open_standard_input(loop_);
  ASSERT_TRUE(input.ok());
  ASSERT_EQ(::write(writer_, "one\n", 4), 4);
  EXPECT_EQ(read(**input), "one\n");
  ASSERT_EQ(::write(writer_, "two", 3), 3);
  EXPECT_EQ(read(**input), "two");
  ::close(std::exchange(writer_, -1));
  EXPECT_EQ(read(**input), "");
}

TEST_F(StandardInputTest, ItsEndCallsOffARead) {
  auto input = open_standard_input(loop_);
  ASSERT_TRUE(input.ok());
  bool told = false;
  (*input)->read([&](const Result<std::string>&) { told = true; });
  *input = nullptr;  // and doesn't wait for the writer
  loop_.post([this] { loop_.stop(); });
  loop_.run();
  EXPECT_FALSE(told);
}

TEST_F(StandardInputTest, OneThatIsEndedGivesWhatItHasRead) {
  auto input = open_standard_input(loop_);
  ASSERT_TRUE(input.ok());
  ErrorCode code = ErrorCode::kIo;
  (*input)->read([&](const Result<std::string>& got) {
    code = got.error().code;
    loop_.stop();
  });
  (*input)->end();
  loop_.run();
  EXPECT_EQ(code, ErrorCode::kClosed);
}

}  // namespace
}  // namespace spillway::io
