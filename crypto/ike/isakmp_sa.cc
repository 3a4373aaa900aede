#include "crypto/ike/isakmp_sa.h"

#include <algorithm>

namespace crypto::ike {

using stack::Drop;
using stack::Writer;
using stack::wire::kIsakmpHeader;

std::optional<MessageCipher> MessageCipher::Create(const CipherShape& shape, Secret key) {
  if (!CbcCipher::Create(shape.id, Direction::kEncrypt, key.view()).ok()) return std::nullopt;
  return MessageCipher(shape.id, std::move(key));
}

bool MessageCipher::Process(Direction direction, const Iv& iv, ByteSpan blocks) const {
  auto cipher = CbcCipher::Create(id_, direction, key_.view());
  return cipher.ok() && cipher->Process(iv.view(), blocks);
}

stack::Result<Opened, Drop> MessageCipher::Open(const Isakmp& message, const Iv& iv) const {
  if (message.body.empty() || message.body.size() % block_size() != 0) return Drop::kIkeMalformed;
  Opened opened;
  opened.next_iv = Iv::Of(message.body.last(block_size()));
  opened.plain = stack::ToBytes(message.body);
  if (!Process(Direction::kDecrypt, iv, opened.plain)) return Drop::kIkeMalformed;
  const auto payloads = PayloadChain::Parse(message.header.next_payload, opened.plain);
  if (!payloads || payloads->size() == 0) return Drop::kIkeUndecryptable;
  opened.payloads = *payloads;
  return opened;
}

Bytes MessageCipher::Seal(IsakmpHeader header, ByteView payloads, Iv& iv) const {
  const size_t block = block_size();
  const size_t padded = (payloads.size() + block - 1) / block * block;
  header.flags |= IsakmpHeader::kEncrypted;
  header.length = static_cast<uint32_t>(kIsakmpHeader + padded);
  Bytes message(header.length);
  Writer writer(message);
  header.Write(writer);
  writer.Put(payloads);
  const ByteSpan blocks = ByteSpan(message).subspan(kIsakmpHeader);
  if (!Process(Direction::kEncrypt, iv, blocks)) return {};
  iv = Iv::Of(ByteView(blocks).last(block));
  return message;
}

Bytes IsakmpSa::Seal(ExchangeType exchange, uint32_t message_id, const Secret& hash,
                     const PayloadList& rest, Iv& iv) {
  IsakmpHeader header;
  header.initiator_cookie = cookies.initiator;
  header.responder_cookie = cookies.responder;
  header.next_payload = PayloadType::kHash;
  header.exchange = exchange;
  header.message_id = message_id;
  const size_t hash_octets = stack::wire::kIsakmpPayloadHeader + hash.size();
  Bytes payloads(hash_octets + rest.bytes().size());
  Writer writer(payloads);
  writer.U8(static_cast<uint8_t>(rest.first()));
  writer.U8(0);
  writer.U16(static_cast<uint16_t>(hash_octets));
  writer.Put(hash.view());
  writer.Put(rest.bytes());
  return cipher.Seal(header, payloads, iv);
}

void IsakmpSa::Prove(const Path& at, Out& out) {
  if (at == path) return;
  path = at;
  out.Tell(PathChanged{id, at});
}

ByteView LeadingHash(const PayloadChain& payloads) {
  if (payloads.size() == 0 || payloads[0].type != PayloadType::kHash) return {};
  return payloads[0].body;
}

bool SeenIds::Contains(uint32_t message_id) const {
  return std::find(ids_.begin(), ids_.end(), message_id) != ids_.end();
}

void SeenIds::Add(uint32_t message_id) {
  if (ids_.size() < kRemembered) {
    ids_.push_back(message_id);
    return;
  }
  ids_[next_] = message_id;
  next_ = (next_ + 1) % kRemembered;
}

void Send(ByteView message, const Path& path, Out& out) {
  stack::PacketBuf* frame = out.Frame(message.size(), path);
  if (frame != nullptr && !frame->Assign(message)) out.Retract();
}

}  // namespace crypto::ike
