// SPDX-License-Identifier: Apache-2.0
#include "executors/current_thread.hpp"

#include <aya/detail/frame_memory.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

namespace aya::inline v1::detail {

constinit thread_local thread_context* current_thread = nullptr;

[[gnu::noinline]] thread_context* this_thread() noexcept { return current_thread; }

void enter_thread(thread_context& context) noexcept {
    current_thread = &context;
    bypass_frame_cache(context.home->debug()); // so that creations.cpp sees every coroutine
}
void leave_thread() noexcept { current_thread = nullptr; }

[[noreturn, gnu::noinline]] static void throw_nothing_runs(char const* caller, char const* missing) {
    throw invalid_state_error(fmt::format("{}: no {} runs on this thread", caller, missing));
}

[[gnu::noinline]] scheduler& this_scheduler(char const* what) {
    thread_context const* const context = current_thread;
    if (context == nullptr) [[unlikely]]
        throw_nothing_runs(what, "runtime");
    return *context->home;
}

[[gnu::noinline]] task_state& this_task(char const* what) {
    thread_context const* const context = current_thread;
    if (context == nullptr || !context->current) [[unlikely]]
        throw_nothing_runs(what, "task");
    return *context->current;
}

void throw_invalid_state(char const* message) { throw invalid_state_error(message); }
void throw_invalid_argument(char const* message) { throw std::invalid_argument(message); }

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

time_point now() noexcept {
    detail::thread_context const* const context = detail::this_thread();
    return context == nullptr ? time_point(std::chrono::steady_clock::now()) : context->home->now();
}

} // namespace aya::inline v1
