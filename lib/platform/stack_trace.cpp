// SPDX-License-Identifier: Apache-2.0
#include "platform/stack_trace.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <cxxabi.h>
#include <execinfo.h>

namespace aya::inline v1::detail {

namespace {

struct release {
    void operator()(void* p) const noexcept { std::free(p); }
};

// "file(name+offset) [address]": the name as it stands in the program.
std::string readable(std::string_view line) {
    std::string text(line);
    std::size_t const begin = text.find('(') + 1; // 0 if there is none
    std::size_t const end = text.find('+', begin);
    if (begin == 0 || end == std::string::npos || end == begin)
        return text;
    int status = 0;
    std::unique_ptr<char, release> const name(abi::__cxa_demangle(text.substr(begin, end - begin).c_str(), nullptr, nullptr, &status));
    return name == nullptr ? text : text.replace(begin, end - begin, name.get());
}

// The lines of calls that were asked for, for ever: a program has so many places, and ten thousand tasks were made at a few of them. To look one up
// takes the lock of the dynamic linker, which everybody needs who throws; so it is done once, and with no lock of ours held.
constinit std::mutex lines_mutex;

std::shared_ptr<std::string const> line_of(void* call) {
    static auto& known = *new std::unordered_map<void*, std::shared_ptr<std::string const>>; // under the mutex; also for reports at the very end
    {
        std::lock_guard const guard(lines_mutex);
        if (auto const found = known.find(call); found != known.end())
            return found->second;
    }
    std::unique_ptr<char*, release> const lines(::backtrace_symbols(&call, 1)); // one block
    if (lines == nullptr)
        throw std::bad_alloc();
    auto line = std::make_shared<std::string const>(readable(*lines));
    std::lock_guard const guard(lines_mutex);
    return known.try_emplace(call, std::move(line)).first->second;
}

struct kept_trace {
    stack_trace trace;
    kept_trace* next;
};

// Chains that only grow, so that nobody needs a lock to read them, and a fork() finds them whole.
constinit std::array<std::atomic<kept_trace*>, 1024> kept_traces{};
constinit std::atomic<std::size_t> kept_count{0};
constexpr std::size_t most_kept = 1 << 16;

} // namespace

[[gnu::noinline]] stack_trace stack_trace::here() noexcept {
    stack_trace trace;
    trace.size_ = ::backtrace(trace.calls_.data(), static_cast<int>(trace.calls_.size()));
    return trace;
}

[[gnu::noinline]] stack_trace const* stack_trace::kept() noexcept {
    stack_trace here = stack_trace::here();
    // Without this function and its caller.
    std::fill(std::shift_left(here.calls_.begin() + 1, here.calls_.end(), 2), here.calls_.end(), nullptr);
    here.size_ = std::max(here.size_ - 2, 0);
    std::uint64_t hash = 0;
    for (void* const call : here.calls_)
        hash = (hash ^ reinterpret_cast<std::uintptr_t>(call)) * 0x9e3779b97f4a7c15; // the golden ratio, as it mixes well
    std::atomic<kept_trace*>& chain = kept_traces[hash >> 54];
    static_assert(std::tuple_size_v<decltype(kept_traces)> == 1 << (64 - 54));
    kept_trace* first = chain.load();
    for (kept_trace* k = first; k != nullptr; k = k->next)
        if (k->trace == here)
            return &k->trace;
    if (kept_count.load() >= most_kept)
        return nullptr;
    auto* const mine = new (std::nothrow) kept_trace{here, first};
    if (mine == nullptr)
        return nullptr;
    kept_count.fetch_add(1);
    while (!chain.compare_exchange_weak(mine->next, mine)) { // another thread may keep the same one: that is two, then
    }
    return &mine->trace;
}

std::string stack_trace::text() const {
    std::string all;
    for (int i = 1; i < size_; ++i) // the first is here()
        all.append(*line_of(calls_[static_cast<std::size_t>(i)])).append("\n");
    return all;
}

void lock_stack_lines() noexcept { lines_mutex.lock(); }
void unlock_stack_lines() noexcept { lines_mutex.unlock(); }

} // namespace aya::inline v1::detail
