// SPDX-License-Identifier: Apache-2.0
#include <aya/retry.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace aya::inline v1::detail {

namespace {

// A number in [0, 1): splitmix64 over a counter, which is enough to keep clients apart.
double random_fraction() noexcept {
    static std::atomic<std::uint64_t> counter{
        static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())};
    std::uint64_t x = counter.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed); // only distinctness is needed
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    x ^= x >> 31;
    return static_cast<double>(x >> 11) * 0x1p-53;
}

} // namespace

void check(retry_options const& o) {
    if (o.max_retries < 0)
        throw_invalid_argument("aya::retry: max_retries must not be negative");
    if (o.base_delay < duration::zero() || o.max_delay < duration::zero())
        throw_invalid_argument("aya::retry: base_delay and max_delay must not be negative");
    if (!(o.jitter >= 0 && o.jitter <= 1)) // NaN too
        throw_invalid_argument("aya::retry: jitter must be between 0 and 1");
}

duration pause_before(retry_options const& o, std::ptrdiff_t attempt) noexcept {
    duration pause = std::min(o.base_delay, o.max_delay);
    for (std::ptrdiff_t i = 1; i < attempt && pause < o.max_delay && pause > duration::zero(); ++i)
        pause = pause > o.max_delay / 2 ? o.max_delay : 2 * pause;
    double const part = o.jitter * random_fraction();
    return pause - duration(static_cast<duration::rep>(static_cast<double>(pause.count()) * part));
}

} // namespace aya::inline v1::detail
