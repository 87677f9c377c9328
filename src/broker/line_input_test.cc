#include "broker/line_input.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// What a test types.
class FakeInput final : public io::StandardInput {
 public:
  struct Typed {
    UniqueFunction<void(Result<std::string>)> asked;
    Result<std::string> read_at_the_end = Error{ErrorCode::kClosed, ""};
    bool is_read() const { return static_cast<bool>(asked); }
    void type(std::string bytes) { std::exchange(asked, nullptr)(std::move(bytes)); }
  };
  explicit FakeInput(Typed& typed) : typed_(typed) {}
  ~FakeInput() override { typed_.asked = nullptr; }
  void read(UniqueFunction<void(Result<std::string>)> done) override {
    typed_.asked = std::move(done);
  }
  void end() override { std::exchange(typed_.asked, nullptr)(typed_.read_at_the_end); }

 private:
  Typed& typed_;
};

class LineInputTest : public SpoolTest {
 protected:
  LineInputTest() {
    input_.start([this] { ended_ = true; });
  }
  void type(std::string bytes) {
    ASSERT_TRUE(typed_.is_read());
    typed_.type(std::move(bytes));
    loop_.run();
  }
  // In order: they are of one key.
  std::vector<std::string> stored() {
    std::vector<std::string> lines;
    for (const auto& shard : spool_->shards_of("s")) {
      engine_.read({shard.id, {}}, [&](const Result<stream::ReadResult>& read) {
        for (const auto& batch : read->batches) {
          stream::RecordBatchReader reader(batch.payload);
          while (const auto record = reader.next()) {
            EXPECT_EQ(record->partition_key, "stdin/h");
            lines.emplace_back(record->data);
          }
        }
      });
    }
    return lines;
  }

  std::uint64_t refused() {
    return metrics_.counter("spillway_input_refused_records_total", "", {{"input", "stdin"}})
        .value();
  }

  FakeInput::Typed typed_;
  LineInput input_{
      std::make_unique<FakeInput>(typed_), "s", "stdin/h", {loop_, *spool_, silent_, metrics_}};
  bool ended_ = false;
};

TEST_F(LineInputTest, EachLineIsARecord) {
  type("a\n\nb\nc");
  EXPECT_THAT(stored(), ElementsAre("a", "b"));
  type("d\n");
  EXPECT_THAT(stored(), ElementsAre("a", "b", "cd"));
  type("e");
  EXPECT_FALSE(ended_);
  type("");
  EXPECT_THAT(stored(), ElementsAre("a", "b", "cd", "e"));
  EXPECT_TRUE(ended_);
}

TEST_F(LineInputTest, ReadsOnWhenWhatItReadIsDurable) {
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  type("a\n");
  loop_.run(3 * SpoolWriter::kRetryDelay);
  EXPECT_FALSE(typed_.is_read());
  engine_.append_error.reset();
  loop_.run(SpoolWriter::kRetryDelay);
  EXPECT_TRUE(typed_.is_read());
  EXPECT_THAT(stored(), ElementsAre("a"));
}

TEST_F(LineInputTest, CutsALineThatIsTooLong) {
  const std::string longest(LineInput::kLineBytesMax, 'x');
  type(longest);
  type("yz\nb\n");
  EXPECT_THAT(stored(), ElementsAre(longest, "b"));
  EXPECT_EQ(
      metrics_.counter("spillway_input_malformed_records_total", "", {{"input", "stdin"}}).value(),
      1u);
}

TEST_F(LineInputTest, DrainedItHasPutWhatItRead) {
  type("a\nb");
  typed_.read_at_the_end = std::string("c\nd\ne");
  bool drained = false;
  input_.drain(seconds(5), [&] { drained = true; });
  EXPECT_FALSE(drained);
  loop_.run();
  EXPECT_TRUE(drained);
  EXPECT_FALSE(ended_);
  EXPECT_THAT(stored(), ElementsAre("a", "bc", "d")) << "e isn't known to be a line";
  EXPECT_EQ(refused(), 1u);
}

TEST_F(LineInputTest, DrainedItReadsNoMore) {
  type("a\nb");
  bool drained = false;
  input_.drain(seconds(5), [&] { drained = true; });
  loop_.run();
  EXPECT_TRUE(drained);
  EXPECT_FALSE(typed_.is_read());
  EXPECT_THAT(stored(), ElementsAre("a"));
  EXPECT_EQ(refused(), 1u);
}

TEST_F(LineInputTest, ADrainHasItsDeadline) {
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  type("a\nb");
  bool drained = false;
  input_.drain(seconds(5), [&] { drained = true; });
  loop_.run(seconds(4));
  EXPECT_FALSE(drained);
  loop_.run(seconds(1));
  EXPECT_TRUE(drained);
  EXPECT_THAT(stored(), IsEmpty());
}

}  // namespace
}  // namespace spillway::broker
