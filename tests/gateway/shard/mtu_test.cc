// Fragments whose ids must not meet.
#include "tests/gateway/shard/forwarding.h"

namespace test {
namespace {

// Two clients send fragmented datagrams to one host, and have chosen the same id: under their
// common address they must differ.
struct SharedAddress : Forwarding {
  void SendFragmented(Caller& caller, uint8_t first) {
    for (const Bytes& piece :
         Cut(UdpPacket({caller.up->address, 5000}, kDns, Pattern(2000, first), {.id = 77}), 1400)) {
      world.Send(caller, piece);
    }
    world.Settle();
  }
};

TEST_F(SharedAddress, FragmentsOfTwoClientsDoNotMix) {
  SendFragmented(*a, 1);
  SendFragmented(*b, 2);
  ASSERT_EQ(world.internet.size(), 4U) << world.Drops();
  EXPECT_EQ(Load16(&world.internet[0][4]), Load16(&world.internet[1][4]));
  EXPECT_NE(Load16(&world.internet[0][4]), Load16(&world.internet[2][4]));
}

}  // namespace
}  // namespace test
