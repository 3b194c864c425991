// SPDX-License-Identifier: Apache-2.0
// Included before everything else by the build that `run` makes: every atomic operation of the library and its tests first waits for a moment, now
// and then, by a seeded choice. What is not ours has been included, and compiled, before.
#pragma once

#if __cplusplus >= 202002L // not when meson tries the compiler out

#include <algorithm>
#include <any>
#include <array>
#include <atomic>
#include <barrier>
#include <bit>
#include <bitset>
#include <charconv>
#include <chrono>
#include <compare>
#include <concepts>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <latch>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <ranges>
#include <semaphore>
#include <set>
#include <shared_mutex>
#include <source_location>
#include <span>
#include <sstream>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <csignal>
#include <cstdint>
#include <cstdlib>

#include <sched.h>
#include <time.h>

#include <fmt/format.h>
#include <tbb/tbb.h>

namespace delays {

inline std::uint64_t seed() noexcept {
    static std::uint64_t const chosen = [] {
        char const* const given = std::getenv("AYA_SEED");
        return given == nullptr ? std::uint64_t{1} : std::strtoull(given, nullptr, 10);
    }();
    return chosen;
}

inline void maybe() noexcept {
    static std::atomic<std::uint64_t> threads{0};
    thread_local std::uint64_t state = (seed() + threads.fetch_add(1) * 0x9e3779b97f4a7c15U) | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::uint64_t const choice = state >> 32;
    if (choice % 64 != 0)
        return;
    if (choice % 4096 != 0) {
        sched_yield();
        return;
    }
    timespec const moment{0, static_cast<long>(choice / 4096 % 50'000)};
    nanosleep(&moment, nullptr);
}

} // namespace delays

namespace std {

/// The same size and the same name to the macro below.
template <class T>
class delayed_atomic : public atomic<T> {
    using base = atomic<T>;

public:
    delayed_atomic() = default;
    constexpr delayed_atomic(T value) noexcept : base(value) {}
    delayed_atomic(delayed_atomic const&) = delete;
    delayed_atomic& operator=(delayed_atomic const&) = delete;

    T operator=(T value) noexcept { return store(value), value; }
    operator T() const noexcept { return load(); }
    void store(T value, memory_order o = memory_order_seq_cst) noexcept {
        delays::maybe();
        base::store(value, o);
    }
    T load(memory_order o = memory_order_seq_cst) const noexcept {
        delays::maybe();
        return base::load(o);
    }
    T exchange(T value, memory_order o = memory_order_seq_cst) noexcept {
        delays::maybe();
        return base::exchange(value, o);
    }
    template <class... Orders>
    bool compare_exchange_weak(T& expected, T value, Orders... orders) noexcept {
        delays::maybe();
        return base::compare_exchange_weak(expected, value, orders...);
    }
    template <class... Orders>
    bool compare_exchange_strong(T& expected, T value, Orders... orders) noexcept {
        delays::maybe();
        return base::compare_exchange_strong(expected, value, orders...);
    }
    template <class U>
    T fetch_add(U by, memory_order o = memory_order_seq_cst) noexcept {
        delays::maybe();
        return base::fetch_add(static_cast<typename atomic<T>::difference_type>(by), o); // T, where that is a number
    }
    template <class U>
    T fetch_sub(U by, memory_order o = memory_order_seq_cst) noexcept {
        delays::maybe();
        return base::fetch_sub(static_cast<typename atomic<T>::difference_type>(by), o);
    }
    T fetch_or(T by, memory_order o = memory_order_seq_cst) noexcept {
        delays::maybe();
        return base::fetch_or(by, o);
    }
    T fetch_and(T by, memory_order o = memory_order_seq_cst) noexcept {
        delays::maybe();
        return base::fetch_and(by, o);
    }
};

} // namespace std

#define atomic delayed_atomic

#endif
