// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aya/detail/context.hpp>
#include <aya/detail/spin_lock.hpp>

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace aya::inline v1::detail {

/// Written only by its one holder; see exchange_context_value(). Or else, if it belongs to a context object, under its lock.
struct context_block {
    struct entry {
        std::uint64_t variable;
        context_value value;
    };

    explicit context_block(bool of_object) noexcept : in_place(of_object) {}

    std::atomic<std::uint32_t> references{1};
    bool const in_place; // of a context object
    spin_lock mutex; // guards the entries of such a one
    std::vector<entry> entries;
};

/// For who is about to be a holder as well: a new task, a call on another thread. Null when the running task has none. What is copied from a
/// context object is shared with it when memory is short: no value is lost.
[[nodiscard]] context_block* share_current_context() noexcept;

/// While it lives, the calling thread, outside tasks, has the values of `block`, of which it takes over a reference.
class thread_context_scope {
public:
    explicit thread_context_scope(context_block* block) noexcept;
    ~thread_context_scope();
    thread_context_scope(thread_context_scope const&) = delete;
    thread_context_scope& operator=(thread_context_scope const&) = delete;

private:
    context_block* outer_;
};

} // namespace aya::inline v1::detail
