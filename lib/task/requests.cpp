// SPDX-License-Identifier: Apache-2.0
// Requests to cancel, as the task that they concern counts them. How one travels to what the task waits for: cancel_walk.cpp.
#include <aya/detail/task_state.hpp>

#include "task/cancel_walk.hpp"
#include "task/details.hpp"

#include <aya/errors.hpp>

#include <new>
#include <string>
#include <string_view>

namespace aya::inline v1::detail {

bool task_state::cancel(std::string_view message) {
    mark_asked();
    return cancel_walk(message).run(*this);
}

void task_state::cancel_for_scope() {
    mark_asked();
    cancel_walk({}, true).run(*this);
}

std::uint32_t task_state::uncancel() noexcept {
    std::uint64_t word = lock();
    if (word >= one_request)
        word -= one_request;
    if (word < one_request)
        word &= ~pending_bits;
    unlock(word);
    return static_cast<std::uint32_t>(word >> 32);
}

std::uint32_t task_state::uncancel_for_scope(std::uint32_t requests_before, bool cancelled_before) noexcept {
    std::uint64_t word = lock();
    if (word >= one_request)
        word -= one_request;
    auto const left = static_cast<std::uint32_t>(word >> 32);
    // What is pending came from scopes alone, and from no other one than this: an outer one's request would count still.
    bool const own = (word & scope_only_bit) != 0 && !cancelled_before && left <= requests_before;
    if (left == 0 || own)
        word &= ~pending_bits;
    unlock(word);
    return left;
}

std::uint32_t task_state::cancelling() const noexcept {
    return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) >> 32); // a snapshot: nothing else is read by it
}

task_state::pending_requests task_state::requests() const noexcept {
    std::uint64_t const word = word_.load(std::memory_order_relaxed); // as in cancelling(); both at one moment
    return {static_cast<std::uint32_t>(word >> 32), (word & must_cancel_bit) != 0};
}

task_state::details& task_state::writable_details() {
    if (details_ == nullptr)
        details_ = new details;
    return *details_;
}

void task_state::set_cancel_message(std::string_view message) noexcept {
    if (details_ == nullptr && message.empty())
        return;
    try {
        writable_details().cancel_message = message;
    } catch (std::bad_alloc const&) {
        // The request counts, its text does not.
    }
}

std::string task_state::cancel_message() const noexcept {
    try {
        return details_ == nullptr ? std::string() : details_->cancel_message;
    } catch (std::bad_alloc const&) {
        return {}; // the request counts, its text does not
    }
}

std::string task_state::take_cancel_message() {
    std::string message;
    std::uint64_t const word = lock();
    if (details_ != nullptr)
        message.swap(details_->cancel_message);
    unlock(word);
    return message;
}

void task_state::throw_cancelled() { throw cancelled_error(take_cancel_message()); }

} // namespace aya::inline v1::detail
