// SPDX-License-Identifier: Apache-2.0
// Whole tasks on model-checked atomics: coroutines of production, their states, primitives and combinators, run by virtual threads. The sources of the
// library are included as they are; only what a runtime is, and its threads, is this file's.
#pragma once

// Of the library's sources: what is not theirs has been included before their atomics get another name.
#include <algorithm>
#include <any>
#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <compare>
#include <concepts>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <ranges>
#include <set>
#include <source_location>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <sched.h>

#define AYA_SANITIZED 1 // each block comes from the functions below, and is never used twice in one execution
#undef AYA_BALANCE
#define AYA_BALANCE 0 // the scenarios look for what is left themselves

#include "scenarios.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsubobject-linkage" // sources, not headers
#endif

#include "combinators/fan_in.cpp"
#include "combinators/task_group.cpp"
#include "combinators/timeout.cpp"
#include "executors/current_thread.cpp"
#include "inspect/function_name.cpp"
#include "scheduler/injection_queue.hpp"
#include "scheduler/timer_queue.cpp"
#include "sync/condition_variable.cpp"
#include "sync/mutex.cpp"
#include "sync/semaphore.cpp"
#include "sync/wait_list.cpp"
#include "task/cancel_walk.cpp"
#include "task/context.cpp"
#include "task/fork.cpp"
#include "task/future.cpp"
#include "task/handle.cpp"
#include "task/join.cpp"
#include "task/misplaced_frame.cpp"
#include "task/names.cpp"
#include "task/registry.cpp"
#include "task/requests.cpp"
#include "task/sleep.cpp"
#include "task/snapshot.cpp"
#include "task/task_elsewhere.cpp"
#include "task/task_state.cpp"

#include <aya/future.hpp>
#include <aya/gather.hpp>
#include <aya/shield.hpp>

namespace aya::inline v1::detail {

// --- memory: one piece, empty again at the start of each execution -----------------------------------------------------------------

struct arena {
    alignas(std::max_align_t) std::byte bytes[1 << 20];
    std::size_t used = 0;

    void* take(std::size_t size) {
        std::size_t const at = used;
        used += (size + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
        if (used > sizeof bytes)
            throw std::bad_alloc();
        return bytes + at;
    }
};
inline arena memory;

void* allocate_frame_slowly(std::size_t size) { return memory.take(size); }
void* allocate_coroutine_slowly(std::size_t size) { return memory.take(size); }
void release_frame_slowly(void*, std::size_t) noexcept {}
void bypass_frame_cache(bool) noexcept {}

// --- what the tasks of these models never meet ---------------------------------------------------------------------------------------

void elsewhere::run(ready&, ready::function) noexcept { std::abort(); }
placement::placement(scheduler&) noexcept { std::abort(); }
placement::~placement() {}
placement place_on(scheduler&, any_executor const&) { std::abort(); }
void drop_unawaited(std::coroutine_handle<> frame) noexcept { frame.destroy(); }
char const* take_refusal() noexcept { return nullptr; }
void report_sink::report(exception_report const&) noexcept { std::abort(); }
bool runtime_core::end_waits(std::exception_ptr const&, std::exception_ptr const&) noexcept { std::abort(); }
stack_trace stack_trace::here() noexcept { std::abort(); }
std::string stack_trace::text() const { std::abort(); }

} // namespace aya::inline v1::detail
