// SPDX-License-Identifier: Apache-2.0
// The task that a coroutine runs in, as its promise knows it.
#pragma once

#include <cstdint>

namespace aya::inline v1::detail {

class task_state;
struct forked_child;

/// A task_state, or a child of a gather that has none until it suspends on something else than a gather, or is asked who it is.
class task_pointer {
public:
    task_pointer() = default;
    task_pointer(task_state& s) noexcept : bits_(reinterpret_cast<std::uintptr_t>(&s)) {}
    task_pointer(forked_child& c) noexcept : bits_(reinterpret_cast<std::uintptr_t>(&c) + child_bit) {}

    [[nodiscard]] explicit operator bool() const noexcept { return bits_ != 0; }
    [[nodiscard]] bool is_child() const noexcept { return (bits_ & child_bit) != 0; }
    /// If it is one.
    [[nodiscard]] forked_child& as_child() const noexcept { return *reinterpret_cast<forked_child*>(bits_ - child_bit); }
    /// Null for a task_state.
    [[nodiscard]] forked_child* child() const noexcept { return is_child() ? &as_child() : nullptr; }
    /// The state; made now where a child has none yet. Only by the running task itself. Throws std::bad_alloc.
    [[nodiscard]] task_state& operator*() const {
        return is_child() ? state_of(as_child()) : *reinterpret_cast<task_state*>(bits_);
    }
    [[nodiscard]] task_state* operator->() const { return &**this; }

    friend bool operator==(task_pointer, task_pointer) = default;

private:
    static constexpr std::uintptr_t child_bit = 1;

    static task_state& state_of(forked_child& c); // lib/task/fork.cpp

    std::uintptr_t bits_ = 0;
};

} // namespace aya::inline v1::detail
