#include "io/asio_loop.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "io/loop_threads.h"

namespace spillway::io {
namespace {

using Stream = std::unique_ptr<ByteStream>;

// A listener on a free port, a client connected to it, and the accepted end.
class AsioLoopTest : public testing::Test {
 protected:
  void connect() {
    auto listening = loop.listen("127.0.0.1:0", false, [this](Stream stream) {
      server = std::move(stream);
      if (client) loop.stop();
    });
    ASSERT_TRUE(listening.ok()) << listening.error().message;
    listener = *std::move(listening);
    loop.connect(local(listener->port()), [this](Result<Stream> connected) {
      ASSERT_TRUE(connected.ok()) << connected.error().message;
      client = *std::move(connected);
      if (server) loop.stop();
    });
    loop.run();
    ASSERT_TRUE(client && server);
  }
  static std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

  // Reads until `size` bytes are there or the stream ends, then stops the loop.
  void read_to(std::string& out, ByteStream& from, std::size_t size) {
    from.read(buffer, [this, &out, &from, size](Result<std::size_t> got) {
      ASSERT_TRUE(got.ok()) << got.error().message;
      out.append(buffer.data(), *got);
      if (*got == 0 || out.size() >= size) return loop.stop();
      read_to(out, from, size);
    });
  }

  AsioLoop loop;
  std::unique_ptr<Listener> listener;
  Stream client;
  Stream server;
  std::array<char, 70'000> buffer;
};

TEST_F(AsioLoopTest, CarriesBytesBothWays) {
  connect();
  const std::vector<std::string_view> parts{"GET ", "", "/", " HTTP/1.1"};
  bool written = false;
  client->write(parts, [&](Status status) { written = status.ok(); });
  EXPECT_FALSE(written) << "a callback ran inside the call that was given it";
  std::string got;
  read_to(got, *server, 14);
  loop.run();
  EXPECT_EQ(got, "GET / HTTP/1.1");
  EXPECT_TRUE(written);
  EXPECT_TRUE(client->peer_address() == local(listener->port()));
  EXPECT_TRUE(server->peer_address().starts_with("127.0.0.1:"));
}

TEST_F(AsioLoopTest, WritesMoreThanTheSocketHolds) {
  connect();
  std::string block(1 << 20, 'x');
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 31 >> 7);
  const std::vector<std::string_view> parts(64, block);
  bool written = false;
  client->write(parts, [&](Status status) {
    written = status.ok();
    client->shut_down_write();
  });
  std::string got;
  read_to(got, *server, SIZE_MAX);
  loop.run();
  EXPECT_TRUE(written);
  ASSERT_EQ(got.size(), block.size() * 64);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(got.compare(i << 20, 1 << 20, block), 0) << i;
}

TEST_F(AsioLoopTest, EndOfStreamReadsAsZeroAndLeavesTheOtherDirectionOpen) {
  connect();
  client->shut_down_write();
  std::string got;
  read_to(got, *server, 1);
  loop.run();
  EXPECT_EQ(got, "");
  const std::string_view answer = "late";
  server->write(std::span(&answer, 1), [](Status status) { EXPECT_TRUE(status.ok()); });
  read_to(got, *client, 4);
  loop.run();
  EXPECT_EQ(got, "late");
}

TEST_F(AsioLoopTest, ADestroyedStreamCallsNobody) {
  connect();
  server->read(buffer, [](Result<std::size_t>) { ADD_FAILURE() << "read called back"; });
  const std::string_view bytes = "x";
  server->write(std::span(&bytes, 1), [](Status) { ADD_FAILURE() << "write called back"; });
  server = nullptr;
  std::string got;
  read_to(got, *client, SIZE_MAX);  // sees the end of the stream, after both would have run
  loop.run();
}

TEST_F(AsioLoopTest, AStreamMayBeDestroyedInItsOwnCallback) {
  connect();
  server->read(buffer, [this](Result<std::size_t>) { server = nullptr; });
  const std::string_view bytes = "x";
  client->write(std::span(&bytes, 1), [](Status) {});
  std::array<char, 1> one;
  client->read(one, [this](Result<std::size_t>) { loop.stop(); });
  loop.run();
  EXPECT_EQ(server, nullptr);
}

TEST_F(AsioLoopTest, TimersFireOnceInOrderAndNotWhenCancelled) {
  std::vector<std::string> fired;
  auto first = loop.make_timer();
  auto second = loop.make_timer();
  auto cancelled = loop.make_timer();
  auto destroyed = loop.make_timer();
  const auto begin = loop.mono_now();
  second->start(milliseconds(20), [&] {
    fired.push_back("second");
    loop.stop();
  });
  first->start(seconds(100), [&] { fired.push_back("replaced"); });
  first->start(milliseconds(5), [&] { fired.push_back("first"); });
  cancelled->start(milliseconds(1), [&] { fired.push_back("cancelled"); });
  cancelled->cancel();
  destroyed->start(milliseconds(1), [&] { fired.push_back("destroyed"); });
  destroyed = nullptr;
  loop.run();
  EXPECT_EQ(fired, (std::vector<std::string>{"first", "second"}));
  EXPECT_GE(loop.mono_now() - begin, milliseconds(20));
}

TEST_F(AsioLoopTest, PostKeepsTheOrderOfEachThread) {
  constexpr int kThreads = 3;
  constexpr int kTasks = 2'000;
  std::array<int, kThreads> next{};
  int left = kThreads * kTasks;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        loop.post([&, t, i] {
          EXPECT_EQ(next[static_cast<std::size_t>(t)]++, i);
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(left, 0);
}

TEST_F(AsioLoopTest, APortInUseIsNamed) {
  auto first = loop.listen("127.0.0.1:0", false, [](Stream) {});
  ASSERT_TRUE(first.ok());
  const auto port = (*first)->port();
  for (const bool shared : {false, true}) {
    const auto second = loop.listen(local(port), shared, [](Stream) {});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kBusy);
    EXPECT_EQ(
        second.error().message,
        "port " + std::to_string(port) +
            " on 127.0.0.1 is in use by another program: choose another port, or end that one");
  }
}

TEST_F(AsioLoopTest, SharedListenersSplitOnePort) {
  int accepted = 0;
  const auto count = [&](Stream) {
    if (++accepted == 8) loop.stop();
  };
  auto first = loop.listen("127.0.0.1:0", true, count);
  ASSERT_TRUE(first.ok());
  auto second = loop.listen(local((*first)->port()), true, count);
  ASSERT_TRUE(second.ok()) << second.error().message;
  std::vector<Stream> clients;
  for (int i = 0; i < 8; ++i) {
    loop.connect(local((*first)->port()),
                 [&](Result<Stream> got) { clients.push_back(*std::move(got)); });
  }
  loop.run();
  EXPECT_EQ(accepted, 8);
}

TEST_F(AsioLoopTest, AddressesThatAreNone) {
  struct Row {
    const char* address;
    ErrorCode code;
  };
  const Row rows[] = {
      {"", ErrorCode::kInvalid},
      {"127.0.0.1", ErrorCode::kInvalid},
      {":80", ErrorCode::kInvalid},
      {"127.0.0.1:", ErrorCode::kInvalid},
      {"127.0.0.1:x", ErrorCode::kInvalid},
      {"127.0.0.1:65536", ErrorCode::kInvalid},
      {"127.0.0.1:80x", ErrorCode::kInvalid},
      {"::1:80", ErrorCode::kInvalid},
      {"[]:80", ErrorCode::kInvalid},
      {"192.0.2.1:0", ErrorCode::kInvalid},
  };
  for (const auto& row : rows) {
    const auto listening = loop.listen(row.address, false, [](Stream) {});
    ASSERT_FALSE(listening.ok()) << row.address;
    EXPECT_EQ(listening.error().code, row.code) << listening.error().message;
  }
}

TEST_F(AsioLoopTest, ConnectTriesEveryAddressOfLocalhostAndTellsWhatFailed) {
  auto listening = loop.listen("127.0.0.1:0", false, [](Stream) {});
  ASSERT_TRUE(listening.ok());
  const auto port = std::to_string((*listening)->port());
  loop.connect("localhost:" + port, [&](Result<Stream> got) {
    EXPECT_TRUE(got.ok());
    loop.stop();
  });
  loop.run();
  *listening = nullptr;
  loop.connect("localhost:" + port, [&](Result<Stream> got) {
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().message, "connect to localhost:" + port + ": Connection refused");
    loop.stop();
  });
  loop.run();
}

TEST_F(AsioLoopTest, HandsOverSignals) {
  std::vector<int> got;
  loop.on_signal([&](int number) {
    got.push_back(number);
    if (got.size() == 2) return loop.stop();
    ::kill(::getpid(), SIGHUP);
  });
  loop.post([] { ::kill(::getpid(), SIGTERM); });
  loop.run();
  EXPECT_EQ(got, (std::vector<int>{SIGTERM, SIGHUP}));
}

TEST(LoopThreads, RunEachLoopOnAThreadOfItsOwn) {
  LoopThreads threads(2);
  std::array<std::thread::id, 2> ids;
  std::atomic<int> ran{0};
  for (std::size_t i = 0; i < 2; ++i) {
    threads.loops()[i]->post([&, i] {
      ids[i] = std::this_thread::get_id();
      ++ran;
      ran.notify_one();
    });
  }
  threads.start();
  for (int seen = 0; seen < 2; seen = ran) ran.wait(seen);
  threads.stop_and_join();
  EXPECT_NE(ids[0], ids[1]);
}

TEST_F(AsioLoopTest, TellsOfDatagramsAsTheyCame) {
  std::vector<std::string> texts;
  auto port =
      loop.receive_datagrams("127.0.0.1:0", [&](std::string_view text, std::string_view peer) {
        EXPECT_TRUE(peer.starts_with("127.0.0.1:")) << peer;
        texts.emplace_back(text);
        if (texts.size() == 3) loop.stop();
      });
  ASSERT_TRUE(port.ok()) << port.error().message;
  const std::string largest(65'507, 'x');
  const int sender = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons((*port)->port());
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (const std::string& text : {std::string("a"), std::string(), largest}) {
    EXPECT_EQ(
        ::sendto(sender, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
        static_cast<ssize_t>(text.size()));
  }
  ::close(sender);
  loop.run();
  EXPECT_EQ(texts, (std::vector<std::string>{"a", "", largest}));
  const auto taken = loop.receive_datagrams(local((*port)->port()), [](auto, auto) {});
  EXPECT_EQ(taken.error().code, ErrorCode::kBusy);
}

}  // namespace
}  // namespace spillway::io
