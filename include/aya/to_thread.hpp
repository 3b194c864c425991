// SPDX-License-Identifier: Apache-2.0
// Work that must not run on a worker: blocking calls go to the blocking pool, computation to the CPU pool.
#pragma once

#include <aya/detail/offload.hpp>
#include <aya/executor.hpp>

#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// Runs `f(args...)` on a thread of the runtime's blocking pool and gives its result or throws its exception. For calls that wait:
/// files, DNS, other libraries. `f` and the arguments are kept by value until the call is over; pass std::ref for a reference that
/// outlives it. Cancellation: the await ends at once; a call that has not started never runs, one that runs goes on and its
/// result is dropped; a call that takes a stop_token before its arguments can ask. Throws broken_executor when the pool cannot take it.
/// Mirrors asyncio.to_thread().
template <class F, class... Arguments>
    requires detail::offloadable<std::decay_t<F>, std::decay_t<Arguments>...>
auto to_thread(F&& f, Arguments&&... arguments) {
    return detail::offload({detail::offload_target::pool::blocking}, std::forward<F>(f), std::forward<Arguments>(arguments)...);
}

/// The same on the CPU pool, for computation: its threads are a oneTBB arena of their own, so that workers stay free for tasks and
/// tbb::parallel_for inside the call uses that arena. Mirrors run_in_executor() with a ProcessPoolExecutor.
template <class F, class... Arguments>
    requires detail::offloadable<std::decay_t<F>, std::decay_t<Arguments>...>
auto to_cpu(F&& f, Arguments&&... arguments) {
    return detail::offload({detail::offload_target::pool::cpu}, std::forward<F>(f), std::forward<Arguments>(arguments)...);
}

/// The same on any executor. What it refuses throws broken_executor. Mirrors loop.run_in_executor().
template <class F, class... Arguments>
    requires detail::offloadable<std::decay_t<F>, std::decay_t<Arguments>...>
auto run_in_executor(any_executor const& e, F&& f, Arguments&&... arguments) {
    return detail::offload({detail::offload_target::pool::named, detail::executor_access::base(e)}, std::forward<F>(f),
                           std::forward<Arguments>(arguments)...);
}

} // namespace aya::inline v1
