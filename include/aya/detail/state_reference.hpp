// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aya/detail/task_state.hpp>

namespace aya::inline v1::detail {

/// A counted reference to a task's state.
class state_reference {
public:
    state_reference() = default;
    /// Takes over a reference that the caller holds.
    static state_reference adopt(task_state& s) noexcept { return state_reference(&s); }
    static state_reference share(task_state& s) noexcept {
        s.add_reference();
        return state_reference(&s);
    }
    state_reference(state_reference const& other) noexcept : state_(other.state_) {
        if (state_)
            state_->add_reference();
    }
    state_reference(state_reference&& other) noexcept : state_(other.state_) { other.state_ = nullptr; }
    state_reference& operator=(state_reference other) noexcept {
        task_state* const mine = state_;
        state_ = other.state_;
        other.state_ = mine;
        return *this;
    }
    ~state_reference() {
        if (state_)
            state_->release();
    }

    [[nodiscard]] task_state* get() const noexcept { return state_; }
    task_state* operator->() const noexcept { return state_; }
    task_state& operator*() const noexcept { return *state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    explicit state_reference(task_state* s) noexcept : state_(s) {}

    task_state* state_ = nullptr;
};

} // namespace aya::inline v1::detail
