// What the key log is told of a client's session: IKE's and ESP's keys under the names that
// Wireshark has for their algorithms. Only with `adit run --keylog`.
#pragma once

#include "crypto/ike/event.h"
#include "gateway/io/keylog.h"

namespace gateway::shard {

void WriteKeys(io::KeyLog& log, const crypto::ike::KeyLog& phase_one);
// Both SAs of the pair. Of the ends only ours is named: the client's may change on the way and in
// time.
void WriteKeys(io::KeyLog& log, const crypto::ike::ChildReady& child);

}  // namespace gateway::shard
