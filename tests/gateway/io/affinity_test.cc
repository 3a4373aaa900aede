#include "gateway/io/affinity.h"

#include <sched.h>

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gateway::io {
namespace {

TEST(Affinity, AThreadStaysWhereItIsPut) {
  const std::vector<uint16_t> allowed = AllowedCpus();
  ASSERT_FALSE(allowed.empty());
  std::thread([cpu = allowed.back()] {
    ASSERT_TRUE(PinThisThread(cpu));
    EXPECT_THAT(AllowedCpus(), testing::ElementsAre(cpu));
    EXPECT_EQ(sched_getcpu(), cpu);
  }).join();
  EXPECT_EQ(AllowedCpus(), allowed) << "the other threads are where they were";
}

TEST(Affinity, ACpuThatIsNotThereIsNamed) {
  const std::vector<uint16_t> allowed = AllowedCpus();
  EXPECT_TRUE(CheckCpus({}).ok());
  EXPECT_TRUE(CheckCpus(allowed).ok());
  const absl::Status status = CheckCpus({allowed.front(), 1023});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("may not run on CPU 1023 (it may"));
}

}  // namespace
}  // namespace gateway::io
