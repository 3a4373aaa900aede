// Bytes, and cursors over them.
//
// Everything that comes from the network is read through Reader: the first read past the end
// poisons it, later reads give zeros, and the parser asks ok() once at the end instead of after
// each field. Writer is its mirror image over a fixed span. This is the only file that casts
// between byte types. All integers on the wire are big-endian (RFC 1700).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stack {

using ByteView = std::span<const std::byte>;  // borrowed: good until the call returns
using ByteSpan = std::span<std::byte>;
using Bytes = std::vector<std::byte>;  // owned; never on the packet path

inline uint16_t Load16(const std::byte* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return std::endian::native == std::endian::little ? __builtin_bswap16(v) : v;
}
inline uint32_t Load32(const std::byte* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return std::endian::native == std::endian::little ? __builtin_bswap32(v) : v;
}
inline uint64_t Load64(const std::byte* p) { return (uint64_t{Load32(p)} << 32) | Load32(p + 4); }
inline void Store16(std::byte* p, uint16_t v) {
  if (std::endian::native == std::endian::little) v = __builtin_bswap16(v);
  std::memcpy(p, &v, sizeof v);
}
inline void Store32(std::byte* p, uint32_t v) {
  if (std::endian::native == std::endian::little) v = __builtin_bswap32(v);
  std::memcpy(p, &v, sizeof v);
}
inline void Store64(std::byte* p, uint64_t v) {
  Store32(p, static_cast<uint32_t>(v >> 32));
  Store32(p + 4, static_cast<uint32_t>(v));
}

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline ByteView AsBytes(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}
inline ByteSpan AsWritableBytes(uint8_t* data, size_t size) {
  return {reinterpret_cast<std::byte*>(data), size};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline const uint8_t* AsU8(ByteView bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}
inline uint8_t* AsU8(ByteSpan bytes) { return reinterpret_cast<uint8_t*>(bytes.data()); }
inline Bytes ToBytes(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

// Lower-case hex, and back. FromHex gives an empty vector for odd length or a foreign character;
// blanks between digits are skipped.
std::string ToHex(ByteView bytes);
Bytes FromHex(std::string_view hex);

class Reader {
 public:
  explicit Reader(ByteView in) : in_(in) {}

  uint8_t U8() {
    const ByteView b = Take(1);
    return b.empty() ? uint8_t{0} : static_cast<uint8_t>(b[0]);
  }
  uint16_t U16() {
    const ByteView b = Take(2);
    return b.empty() ? uint16_t{0} : Load16(b.data());
  }
  uint32_t U32() {
    const ByteView b = Take(4);
    return b.empty() ? 0 : Load32(b.data());
  }
  uint64_t U64() {
    const ByteView b = Take(8);
    return b.empty() ? 0 : Load64(b.data());
  }
  // The next `n` bytes; empty, and the reader poisoned, if there are fewer.
  ByteView Take(size_t n) {
    if (!ok_ || n > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const ByteView taken = in_.first(n);
    in_ = in_.subspan(n);
    return taken;
  }
  ByteView Rest() { return Take(in_.size()); }
  // A reader over the next `n` bytes, which cannot read past its own end. Poisoned if too short.
  Reader Part(size_t n) {
    Reader part(Take(n));
    part.ok_ = ok_;
    return part;
  }
  void Skip(size_t n) { Take(n); }
  void Fail() {  // the caller found the contents illegal
    ok_ = false;
    in_ = {};
  }

  size_t left() const { return in_.size(); }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && in_.empty(); }  // well read and nothing left over

 private:
  ByteView in_;
  bool ok_ = true;
};

class Writer {
 public:
  explicit Writer(ByteSpan out) : out_(out) {}

  void U8(uint8_t v) {
    if (std::byte* p = Room(1)) *p = std::byte{v};
  }
  void U16(uint16_t v) {
    if (std::byte* p = Room(2)) Store16(p, v);
  }
  void U32(uint32_t v) {
    if (std::byte* p = Room(4)) Store32(p, v);
  }
  void U64(uint64_t v) {
    if (std::byte* p = Room(8)) Store64(p, v);
  }
  void Put(ByteView bytes) {
    if (bytes.empty()) return;
    if (std::byte* p = Room(bytes.size())) std::memcpy(p, bytes.data(), bytes.size());
  }
  void Zeros(size_t n) {
    if (n == 0) return;
    if (std::byte* p = Room(n)) std::memset(p, 0, n);
  }
  // Leaves two bytes for a number known only later, and fills them in.
  size_t Hole16() {
    const size_t at = used_;
    U16(0);
    return at;
  }
  void Fill16(size_t hole, uint16_t v) {
    if (ok_) Store16(out_.data() + hole, v);
  }
  // Fills a hole with the number of bytes written since `from`.
  void FillLength16(size_t hole, size_t from) { Fill16(hole, static_cast<uint16_t>(used_ - from)); }

  size_t used() const { return used_; }
  bool ok() const { return ok_; }
  ByteSpan written() const { return out_.first(used_); }

 private:
  std::byte* Room(size_t n) {
    if (!ok_ || n > out_.size() - used_) {
      ok_ = false;
      return nullptr;
    }
    std::byte* p = out_.data() + used_;
    used_ += n;
    return p;
  }

  ByteSpan out_;
  size_t used_ = 0;
  bool ok_ = true;
};

}  // namespace stack
