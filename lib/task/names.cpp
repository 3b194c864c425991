// SPDX-License-Identifier: Apache-2.0
// What a task is called, and where it was made.
#include <aya/detail/task_state.hpp>

#include "task/details.hpp"

#include <fmt/format.h>

#include <new>
#include <string>
#include <string_view>

namespace aya::inline v1::detail {

void task_state::note_creation() noexcept {
    try {
        writable_details().created = stack_trace::here();
    } catch (std::bad_alloc const&) {
        // It will not be known.
    }
}

std::string task_state::created() const {
    auto& self = const_cast<task_state&>(*this); // the lock bit is the only thing that changes
    std::uint64_t const word = self.lock(); // the details may be made by who names the task, or cancels it
    stack_trace const* const made = details_ != nullptr && details_->created ? &*details_->created : nullptr;
    self.unlock(word);
    return made != nullptr ? made->text() : std::string(); // never changes, nor do details go before the task
}

std::string task_state::name() const {
    auto& self = const_cast<task_state&>(*this); // the lock bit is the only thing that changes
    std::string result;
    std::uint64_t const word = self.lock();
    try {
        if (details_ != nullptr)
            result = details_->name;
    } catch (...) {
        self.unlock(word);
        throw;
    }
    self.unlock(word);
    return result.empty() ? fmt::format("{}-{}", (word & future_bit) != 0 ? "Future" : "Task", id()) : result;
}

void task_state::set_name(std::string_view name) {
    std::string copy(name);
    std::uint64_t const word = lock();
    try {
        writable_details().name.swap(copy);
    } catch (...) {
        unlock(word);
        throw;
    }
    unlock(word);
}

void task_state::name_if_possible(std::string_view name) noexcept {
    if (name.empty())
        return;
    try {
        set_name(name);
    } catch (std::bad_alloc const&) {
    }
}

} // namespace aya::inline v1::detail
