// SPDX-License-Identifier: Apache-2.0
#include "executors/current_thread.hpp"

#include <aya/errors.hpp>

#include <fmt/format.h>

namespace aya::detail {

namespace {
constinit thread_local thread_context* current = nullptr;
}

[[gnu::noinline]] thread_context* this_thread() noexcept { return current; }

void enter_thread(thread_context& context) noexcept { current = &context; }
void leave_thread() noexcept { current = nullptr; }

scheduler& this_scheduler(char const* what) {
    thread_context const* const context = this_thread();
    if (context == nullptr) [[unlikely]]
        throw invalid_state_error(fmt::format("{}: no runtime runs on this thread", what));
    return *context->home;
}

task_state& this_task(char const* what) {
    thread_context const* const context = this_thread();
    if (context == nullptr || context->current == nullptr) [[unlikely]]
        throw invalid_state_error(fmt::format("{}: no task runs on this thread", what));
    return *context->current;
}

void throw_invalid_state(char const* message) { throw invalid_state_error(message); }
void throw_invalid_argument(char const* message) { throw std::invalid_argument(message); }

} // namespace aya::detail

namespace aya {

time_point now() noexcept {
    detail::thread_context const* const context = detail::this_thread();
    return context == nullptr ? time_point(std::chrono::steady_clock::now()) : context->home->now();
}

} // namespace aya
