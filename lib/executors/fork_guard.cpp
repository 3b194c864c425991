// SPDX-License-Identifier: Apache-2.0
#include "executors/fork_guard.hpp"

#include "executors/cpu_pool.hpp"
#include "executors/creations.hpp"
#include "executors/current_thread.hpp"
#include "inspect/inspector.hpp"
#include "platform/resting_thread.hpp"
#include "platform/stack_trace.hpp"

#include <aya/detail/frame_memory.hpp>

#include <atomic>
#include <cerrno>
#include <system_error>

#include <pthread.h>

namespace aya::inline v1::detail {

namespace {

std::atomic<std::uint32_t> generation{0};

void before() noexcept {
    lock_stack_lines();
    lock_creations();
    lock_frame_memory();
}
void after() noexcept {
    unlock_frame_memory();
    unlock_creations();
    unlock_stack_lines();
}
void in_child() noexcept {
    after();
    generation.fetch_add(1);
    forget_listeners();
    forget_noting();
    cpu_pool::forget_threads();
    resting_thread::forget_all();
    leave_thread(); // a worker that forked is no worker there, and may make a runtime
}

} // namespace

void watch_forks() {
    static int const error = pthread_atfork(&before, &after, &in_child);
    if (error != 0)
        throw std::system_error(error, std::generic_category(), "aya::runtime: pthread_atfork");
}

std::uint32_t fork_generation() noexcept { return generation.load(); }

} // namespace aya::inline v1::detail
