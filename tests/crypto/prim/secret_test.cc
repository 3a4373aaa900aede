#include "crypto/prim/secret.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace {
// What stood in a watched array when its memory was given back.
const void* watched = nullptr;
std::array<std::byte, 3> last_words;
}  // namespace

void* operator new[](size_t size) {
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
void operator delete[](void* p) noexcept {
  if (p != nullptr && p == watched) std::memcpy(last_words.data(), p, last_words.size());
  std::free(p);
}
void operator delete[](void* p, size_t) noexcept { operator delete[](p); }

namespace crypto {
namespace {

using stack::AsBytes;
using stack::AsText;

TEST(Secret, HoldsACopy) {
  stack::Bytes original = stack::ToBytes(AsBytes("key"));
  const Secret secret{ByteView(original)};
  original[0] = std::byte{0};
  EXPECT_EQ(AsText(secret.view()), "key");
}

TEST(Secret, IsNeverCopiedByAccidentNorPrinted) {
  static_assert(!std::is_copy_constructible_v<Secret>);
  static_assert(!std::is_copy_assignable_v<Secret>);
  const Secret secret(AsBytes("key"));
  const Secret clone = secret.Clone();
  EXPECT_NE(clone.view().data(), secret.view().data());
  EXPECT_TRUE(clone == secret);
}

TEST(Secret, MovesItsBytesAndLeavesNothing) {
  Secret from(AsBytes("key"));
  const std::byte* const place = from.view().data();
  Secret to(std::move(from));
  EXPECT_EQ(to.view().data(), place);
  EXPECT_TRUE(from.empty());  // NOLINT: what a moved-from secret is, is promised
  EXPECT_TRUE(from.view().empty());
  Secret other(AsBytes("longer than before"));
  other = std::move(to);
  EXPECT_EQ(AsText(other.view()), "key");
}

TEST(Secret, ScrubsWhatItHeld) {
  std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  Scrub(bytes);
  EXPECT_EQ(bytes, (std::array<std::byte, 4>{}));
}

TEST(Secret, GivesBackNothingButZeros) {
  const auto last_words_of = [](const auto& end) {
    Secret secret(AsBytes("key"));
    watched = secret.view().data();
    last_words.fill(std::byte{0xee});
    end(secret);
    return last_words;
  };
  constexpr std::array<std::byte, 3> kZeros{};
  EXPECT_EQ(last_words_of([](Secret& s) { s.Clear(); }), kZeros);
  EXPECT_EQ(last_words_of([](Secret& s) { s = Secret(); }), kZeros);
  EXPECT_EQ(last_words_of([](Secret& s) { const Secret dies(std::move(s)); }), kZeros);
  watched = nullptr;
}

TEST(Secret, ConcatenatesParts) {
  EXPECT_EQ(AsText(Secret::Concat({AsBytes("a"), ByteView(), AsBytes("bc")}).view()), "abc");
  EXPECT_TRUE(Secret::Concat({}).empty());
}

TEST(ConstantTimeEqual, ComparesContentAndSize) {
  EXPECT_TRUE(ConstantTimeEqual(AsBytes("abc"), AsBytes("abc")));
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), AsBytes("xbc")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), AsBytes("ab")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("ab"), AsBytes("abc")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), {}));
}

TEST(ConstantTimeEqual, SeesEveryBitOfEverySize) {
  for (size_t size = 0; size <= 33; ++size) {
    const stack::Bytes one(size, std::byte{0x5a});
    stack::Bytes other = one;
    EXPECT_TRUE(ConstantTimeEqual(one, other));
    for (size_t bit = 0; bit < size * 8; ++bit) {
      other[bit / 8] ^= std::byte{1} << (bit % 8);
      EXPECT_FALSE(ConstantTimeEqual(one, other)) << bit;
      other[bit / 8] = one[bit / 8];
    }
  }
}

}  // namespace
}  // namespace crypto
