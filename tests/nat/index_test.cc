// The index against std::multimap: random insertion, look-up and removal, from empty to many times
// its first size and back.
#include "nat/index.h"

#include <map>
#include <set>

#include "gtest/gtest.h"
#include "tests/support/rng.h"

namespace nat {
namespace {

struct Record {
  uint32_t key = 0;
  Link link;
};

struct Scene {
  explicit Scene(uint32_t capacity) : slab(capacity), index(slab, capacity) {}

  uint32_t Add(uint32_t key, uint32_t hash) {
    const uint32_t at = slab.Take();
    if (at == kNoIndex) return at;
    slab[at].key = key;
    index.Insert(at, hash);
    return at;
  }
  void Remove(uint32_t at) {
    index.Erase(at);
    slab.Free(at);
  }
  std::set<uint32_t> All(uint32_t key, uint32_t hash) const {
    const auto is = [key](const Record& record) { return record.key == key; };
    std::set<uint32_t> found;
    for (uint32_t at = index.Find(hash, is); at != kNoIndex; at = index.FindNext(at, is)) {
      EXPECT_TRUE(found.insert(at).second);
    }
    return found;
  }

  Slab<Record> slab;
  Index<Record, &Record::link> index;
};

// A poor hash on purpose: many keys share one.
uint32_t Hash(uint32_t key) { return (key / 3) * 2654435761U; }

TEST(Index, AgreesWithAMap) {
  Scene scene(40000);
  test::FixedRng dice(3);
  std::map<uint32_t, std::set<uint32_t>> model;
  size_t size = 0;
  for (int step = 0; step < 120000; ++step) {
    const auto key = static_cast<uint32_t>(dice.Below(20000));
    const bool grows = step < 60000 ? dice.Below(4) != 0 : dice.Below(4) == 0;
    if (grows) {
      const uint32_t at = scene.Add(key, Hash(key));
      ASSERT_NE(at, kNoIndex);
      ASSERT_TRUE(model[key].insert(at).second);
      ++size;
    } else if (!model[key].empty()) {
      scene.Remove(*model[key].begin());
      model[key].erase(model[key].begin());
      --size;
    }
    ASSERT_EQ(scene.slab.size(), size);
    if (step % 16 != 0) continue;
    ASSERT_EQ(scene.All(key, Hash(key)), model[key]);
  }
  for (const auto& [key, indices] : model) ASSERT_EQ(scene.All(key, Hash(key)), indices);
}

TEST(Index, TheSlabIsBounded) {
  Scene scene(3);
  const uint32_t first = scene.Add(1, 1);
  EXPECT_NE(scene.Add(2, 2), kNoIndex);
  EXPECT_NE(scene.Add(3, 3), kNoIndex);
  EXPECT_TRUE(scene.slab.full());
  EXPECT_EQ(scene.Add(4, 4), kNoIndex);
  scene.Remove(first);
  EXPECT_EQ(scene.Add(5, 5), first) << "the last one freed is used first";
  EXPECT_TRUE(scene.All(1, 1).empty());
}

}  // namespace
}  // namespace nat
