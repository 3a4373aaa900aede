// Result<T, E>: a value, or the enum that says why there is none. Never text, never an allocation
// of its own; for text (configuration, start-up) absl::StatusOr is used instead.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

namespace stack {

template <class T, class E>
class [[nodiscard]] Result {
  static_assert(std::is_enum_v<E>, "an error is an enum: text belongs to absl::Status");

 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Result(E error) : state_(std::in_place_index<1>, error) {}             // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  E error() const { return std::get<1>(state_); }  // only if !ok()

  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }

 private:
  std::variant<T, E> state_;
};

}  // namespace stack
