// SPDX-License-Identifier: Apache-2.0
// Work that must not run on a worker: blocking calls go to the blocking pool, computation to the CPU pool.
#pragma once

#include <aya/detail/offload.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace aya {

/// Runs `f(args...)` on a thread of the blocking pool and gives its result or throws its exception. For calls that wait:
/// files, DNS, other libraries. `f` and the arguments are kept by value until the call is over; pass std::ref for a reference that
/// outlives it. Cancellation: the await ends at once; a call that has not started never runs, one that runs goes on and its
/// result is dropped. Throws broken_executor when the pool cannot take it. Mirrors asyncio.to_thread().
template <class F, class... Arguments>
    requires std::invocable<std::decay_t<F>, std::decay_t<Arguments>...>
auto to_thread(F&& f, Arguments&&... arguments) {
    return detail::offload_awaiter<std::decay_t<F>, std::decay_t<Arguments>...>(
        detail::offload_target::blocking, std::decay_t<F>(std::forward<F>(f)), std::forward<Arguments>(arguments)...);
}

/// The same on the CPU pool, for computation: its threads are a oneTBB arena of their own, so that workers stay free for tasks and
/// tbb::parallel_for inside the call uses that arena. Mirrors run_in_executor() with a ProcessPoolExecutor.
template <class F, class... Arguments>
    requires std::invocable<std::decay_t<F>, std::decay_t<Arguments>...>
auto to_cpu(F&& f, Arguments&&... arguments) {
    return detail::offload_awaiter<std::decay_t<F>, std::decay_t<Arguments>...>(
        detail::offload_target::cpu, std::decay_t<F>(std::forward<F>(f)), std::forward<Arguments>(arguments)...);
}

} // namespace aya
