#include "gateway/io/log.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/rng.h"

namespace gateway::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kTime =
    absl::FromCivil(absl::CivilSecond(2026, 1, 1, 12, 0, 0), absl::UTCTimeZone()) +
    absl::Milliseconds(123);

LogRecord Record(std::string_view text, std::initializer_list<Field> fields = {}) {
  LogRecord record;
  record.wall = kTime;
  record.shard = 1;
  record.has_shard = true;
  Compose(record, "phase1_up", text);
  for (const Field& field : fields) Append(record, field);
  return record;
}

std::string Text(const LogRecord& record) {
  std::string line;
  FormatText(record, line);
  return line;
}
std::string Json(const LogRecord& record) {
  std::string line;
  FormatJson(record, line);
  return line;
}

const stack::Endpoint kPeer{{0xcb00710a}, 4500};

TEST(LogFormat, TextForPeople) {
  EXPECT_EQ(Text(Record("login: phase 1 up", {{"peer", kPeer}, {"id", "my phone"}})),
            "2026-01-01T12:00:00.123Z info  [1] login: phase 1 up  peer=203.0.113.10:4500 "
            "id=\"my phone\"");
  LogRecord record = Record("stopping");
  record.has_shard = false;
  record.level = Level::kWarning;
  EXPECT_EQ(Text(record), "2026-01-01T12:00:00.123Z warn  [-] stopping");
}

TEST(LogFormat, JsonForMachines) {
  EXPECT_EQ(Json(Record("login: phase 1 up", {{"peer", kPeer}, {"count", 3}})),
            R"({"time":"2026-01-01T12:00:00.123Z","level":"info","shard":1,"event":"phase1_up",)"
            R"("text":"login: phase 1 up","peer":"203.0.113.10:4500","count":3})");
}

TEST(LogFormat, FieldsOfEveryKind) {
  const LogRecord record = Record("x", {{"negative", -5},
                                        {"large", ~uint64_t{0}},
                                        {"yes", true},
                                        {"ip", stack::Ip4{0x0a000001}},
                                        {"took", absl::Milliseconds(1204)},
                                        {"early", absl::Milliseconds(-7)},
                                        {"empty", ""},
                                        {"text", std::string("a=b")},
                                        {"bytes", stack::AsBytes("raw")}});
  EXPECT_THAT(Text(record), HasSubstr("x  negative=-5 large=18446744073709551615 yes=true "
                                      "ip=10.0.0.1 took=1.204 early=-0.007 empty=\"\" "
                                      "text=\"a=b\" bytes=raw"));
  const auto json = nlohmann::json::parse(Json(record));
  EXPECT_EQ(json["negative"], -5);
  EXPECT_EQ(json["large"], ~uint64_t{0});
  EXPECT_EQ(json["yes"], true);
  EXPECT_EQ(json["ip"], "10.0.0.1");
  EXPECT_EQ(json["took"], 1.204);
  EXPECT_EQ(json["early"], -0.007);
}

TEST(LogFormat, WhatStrangersWriteIsHarmless) {
  struct Case {
    std::string name, text, json;
  };
  const std::vector<Case> cases = {
      {"a\nb\r\x1b[31m", R"(user=a\x0ab\x0d\x1b[31m)", R"("user":"a\u000ab\u000d\u001b[31m")"},
      {"q\"\\", R"(user="q\"\\")", R"("user":"q\"\\")"},
      {"gr\xc3\xbc\xc3\x9f", "user=gr\xc3\xbc\xc3\x9f", "\"user\":\"gr\xc3\xbc\xc3\x9f\""},
      {"\xff\xc3", R"(user=\xff\xc3)", R"("user":"\ufffd\ufffd")"},
      {"\xc0\xaf", R"(user=\xc0\xaf)", R"("user":"\ufffd\ufffd")"},                // overlong
      {"\xed\xa0\x80", R"(user=\xed\xa0\x80)", R"("user":"\ufffd\ufffd\ufffd")"},  // surrogate
      {"\xe2\x80\xaeuser", R"(user=\u202euser)", R"("user":"\u202euser")"},
      {"\xc2\x9b"
       "0m",
       R"(user=\x9b0m)", R"("user":"\u009b0m")"},
      {std::string("a\0b", 3), R"(user=a\x00b)", R"("user":"a\u0000b")"},
  };
  for (const Case& c : cases) {
    const LogRecord record = Record("login", {{"user", c.name}});
    EXPECT_THAT(Text(record), HasSubstr("login  " + c.text)) << c.name;
    EXPECT_THAT(Json(record), HasSubstr(c.json + "}")) << c.name;
  }
}

// Any bytes at all: one line, printable, and JSON that an independent parser accepts.
TEST(LogFormat, AnyBytesMakeOneValidLine) {
  test::FixedRng rng(4);
  for (int i = 0; i < 3000; ++i) {
    stack::Bytes bytes(rng.Below(60));
    rng.Fill(bytes);
    const LogRecord record = Record("login", {{"user", stack::ByteView(bytes)}, {"n", i}});
    for (const char c : Text(record)) ASSERT_TRUE(static_cast<uint8_t>(c) >= 0x20 && c != 0x7f);
    const std::string line = Json(record);
    ASSERT_EQ(line.find('\n'), std::string::npos);
    const auto json = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(json.is_discarded()) << line;
    ASSERT_EQ(json["n"], i);
  }
}

TEST(LogFormat, TooMuchIsCutAndSaid) {
  const std::string longer(5000, 'x');
  LogRecord record = Record(longer, {{"a", longer}, {"b", longer}, {"c", longer}, {"d", 1}});
  EXPECT_THAT(Text(record), HasSubstr("(cut)"));
  const auto json = nlohmann::json::parse(Json(record));
  EXPECT_EQ(json["cut"], true);
  EXPECT_EQ(json["text"].get<std::string>().size(), 400U);
  for (int i = 0; i < 200; ++i) Append(record, {"number", i});
  EXPECT_FALSE(nlohmann::json::parse(Json(record), nullptr, false).is_discarded());
}

TEST(Levels, HaveNames) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    EXPECT_EQ(LevelOf(NameOf(level)), level);
  }
  EXPECT_EQ(LevelOf("loud"), std::nullopt);
}

// --- pens and writer ---

struct Lines {
  std::vector<std::string> lines;
  LogOptions Options(size_t under_way = 64) {
    LogOptions options;
    options.lines_under_way = under_way;
    options.sink = [this](std::string_view line) {  // without the time
      lines.emplace_back(line.substr(line.find(' ') + 1));
    };
    return options;
  }
};

TEST(Log, LinesOfAllThreadsComeOldestFirst) {
  Lines out;
  LogWriter writer(out.Options());
  Log& zero = writer.NewLog(uint8_t{0});
  Log& one = writer.NewLog(uint8_t{1});
  for (int i = 0; i < 3; ++i) {
    zero.Info("a", {{"i", i}}, "from zero");
    absl::SleepFor(absl::Milliseconds(2));
    one.Info("a", {{"i", i}}, "from one");
    absl::SleepFor(absl::Milliseconds(2));
  }
  EXPECT_THAT(out.lines, IsEmpty());
  writer.Drain();
  EXPECT_THAT(out.lines, ElementsAre("info  [0] from zero  i=0", "info  [1] from one  i=0",
                                     "info  [0] from zero  i=1", "info  [1] from one  i=1",
                                     "info  [0] from zero  i=2", "info  [1] from one  i=2"));
}

TEST(Log, LevelsBelowTheChosenOneAreNotWritten) {
  Lines out;
  LogOptions options = out.Options();
  options.level = Level::kWarning;
  LogWriter writer(options);
  Log& log = writer.NewLog();
  EXPECT_FALSE(log.Wants(Level::kInfo));
  log.Info("a", {}, "no");
  log.LineLimited(absl::UnixEpoch(), Level::kInfo, "a", {}, "no");
  log.Warning("a", {}, "yes");
  writer.Drain();
  EXPECT_THAT(out.lines, ElementsAre("warn  [-] yes"));
}

TEST(Log, AFullPipeLosesLinesAndSaysHowMany) {
  Lines out;
  LogWriter writer(out.Options(4));
  Log& log = writer.NewLog(uint8_t{2});
  for (int i = 0; i < 10; ++i) log.Info("a", {{"i", i}}, "line");
  writer.Drain();
  ASSERT_EQ(out.lines.size(), 5U);
  EXPECT_EQ(out.lines[3], "info  [2] line  i=3");
  EXPECT_THAT(out.lines[4], HasSubstr("warn  [2] log lines were lost"));
  EXPECT_THAT(out.lines[4], HasSubstr("lines=6"));
  writer.Drain();
  EXPECT_EQ(out.lines.size(), 5U) << "told once";
}

TEST(Log, StrangersGetTenLinesAndThenOneASecond) {
  Lines out;
  LogWriter writer(out.Options());
  Log& log = writer.NewLog();
  const absl::Time start = absl::UnixEpoch() + absl::Hours(1);
  for (int i = 0; i < 100; ++i) log.LineLimited(start, Level::kInfo, "bad_cookie", {}, "bad");
  log.LineLimited(start, Level::kInfo, "other", {}, "another event");
  writer.Drain();
  EXPECT_EQ(out.lines.size(), 11U);
  out.lines.clear();
  log.LineLimited(start + absl::Milliseconds(1100), Level::kInfo, "bad_cookie", {}, "bad");
  log.LineLimited(start + absl::Milliseconds(1200), Level::kInfo, "bad_cookie", {}, "bad");
  log.ReportSuppressed();
  log.ReportSuppressed();
  writer.Drain();
  EXPECT_THAT(out.lines, ElementsAre("info  [-] bad  suppressed=90",
                                     "info  [-] more of the same were not written  suppressed=1"));
}

TEST(Log, ATextThatWillNotBeWrittenIsNotAskedFor) {
  Lines out;
  LogWriter writer(out.Options());
  Log& log = writer.NewLog();
  int asked = 0;
  const auto text = [&asked] { return "step " + std::to_string(++asked); };
  for (int i = 0; i < 100; ++i) {
    log.LineLimited(absl::UnixEpoch(), Level::kInfo, "step", {}, text);
    log.LineLimited(absl::UnixEpoch(), Level::kDebug, "detail", {}, text);
  }
  writer.Drain();
  EXPECT_EQ(asked, 10);
  ASSERT_EQ(out.lines.size(), 10U);
  EXPECT_EQ(out.lines.back(), "info  [-] step 10");
}

TEST(Log, WritersOfManyThreadsLoseNothingUntold) {
  Lines out;
  Waker waker;
  LogOptions options = out.Options(32);
  options.reader = &waker;
  LogWriter writer(options);
  std::vector<std::thread> threads;
  std::atomic<int> running{3};
  for (uint8_t shard = 0; shard < 3; ++shard) {
    Log& log = writer.NewLog(shard);
    threads.emplace_back([&log, &running] {
      for (int i = 0; i < 2000; ++i) log.Info("a", {{"i", i}}, "line");
      --running;
    });
  }
  while (running != 0) writer.Drain();
  for (std::thread& thread : threads) thread.join();
  writer.Drain();
  uint64_t told = 0;
  for (const std::string& line : out.lines) {
    const size_t lost = line.find("lines=");
    told += lost == std::string::npos ? 1 : std::stoull(line.substr(lost + 6));
  }
  EXPECT_EQ(told, 6000U);
}

TEST(Log, WakesTheReader) {
  Lines out;
  Waker waker;
  LogOptions options = out.Options();
  options.reader = &waker;
  LogWriter writer(options);
  EventLoop loop;
  ASSERT_TRUE(loop.Add(waker.fd(), 1).ok());
  waker.BeginSleep();
  writer.NewLog().Info("a", {}, "line");
  EXPECT_EQ(loop.Wait(absl::ZeroDuration()).size(), 1U);
}

TEST(LogWriter, WritesLinesToTheErrorOutput) {
  ::testing::internal::CaptureStderr();
  {
    LogOptions options;
    options.json = true;
    LogWriter writer(options);
    Log& log = writer.NewLog();
    log.Info("started", {{"braces", "{}"}}, "ready {0}");
    log.Error("ended", {}, "end");
  }
  const std::string written = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(written, HasSubstr(R"("text":"ready {0}","braces":"{}"})"
                                 "\n"));
  EXPECT_THAT(written, ::testing::EndsWith("\"end\"}\n"));
}

}  // namespace
}  // namespace gateway::io
