// SPDX-License-Identifier: Apache-2.0
// What create_task() can be told.
#pragma once

#include <concepts>
#include <string_view>

namespace aya::inline v1 {

class context;
class any_executor;

/// Refers to an any_executor, a strand, or a pool, which it does not keep.
class executor_reference {
public:
    executor_reference() = default;
    template <std::derived_from<any_executor> Executor>
    executor_reference(Executor const& e) noexcept : executor_(&e) {}
    template <class Pool>
        requires requires(Pool const& p) { { p.executor() } -> std::same_as<any_executor const&>; }
    executor_reference(Pool const& p) noexcept : executor_(&p.executor()) {}

    [[nodiscard]] explicit operator bool() const noexcept { return executor_ != nullptr; }
    [[nodiscard]] any_executor const& operator*() const noexcept { return *executor_; }

private:
    any_executor const* executor_ = nullptr;
};

/// Options of create_task(). Trivially destructible, so it may be written in an awaited call.
struct create_task_options {
    std::string_view name = {}; ///< copied
    /// Run the first step here and now, up to the first suspension: a task that needs none is done on return. Where tasks are nested 32
    /// deep that way, and outside the runtime, it is scheduled as usual. Mirrors eager tasks.
    bool eager_start = false;
    /// Run in this context instead of a copy of the current values; it need not outlive the call.
    aya::context const* context = nullptr;
    /// Where its steps run. Empty: where the creator's do. A task that its executor refuses fails with broken_executor, or is cancelled if it
    /// has begun, and cleans up on the runtime's own workers. Tasks that it creates run there too, unless told otherwise.
    executor_reference executor = {};
};

} // namespace aya::inline v1
