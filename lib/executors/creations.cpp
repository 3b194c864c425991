// SPDX-License-Identifier: Apache-2.0
// A table from the address of a frame to the stack in which it was made. Whoever takes the same address next writes over it, or, where nobody is to
// know, removes it; and where very many frames live at a time, some are forgotten. While a runtime is in debug mode, every thread comes by here: its maker
// and its workers from the beginning, others from the first block on that they have not at hand.
#include "executors/creations.hpp"

#include "executors/current_thread.hpp"
#include "executors/report_sink.hpp"

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/spin_lock.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace aya::inline v1::detail {

namespace {

struct creation {
    void const* frame = nullptr;
    stack_trace const* made = nullptr;
};

constexpr std::size_t most = 1 << 16;
constexpr std::size_t reach = 8; // how far from its place an entry may be

constinit std::atomic<creation*> table{nullptr}; // made when it is first used, and for ever
constinit spin_lock mutex;                       // of what is in it, and of what follows
constinit std::vector<std::shared_ptr<report_sink>> noting; // of runtimes in debug mode
constinit std::atomic<std::size_t> noting_count{0};

creation* table_of_all() noexcept {
    creation* there = table.load();
    if (there == nullptr) {
        auto* const mine = new (std::nothrow) creation[most];
        if (mine == nullptr || table.compare_exchange_strong(there, mine))
            return mine;
        delete[] mine;
    }
    return there;
}

std::size_t place_of(void const* frame) noexcept {
    return static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(frame) * 0x9e3779b97f4a7c15 >> 48); // the golden ratio
}

// The entry, or else where it may be written.
creation& find(creation* all, void const* frame) noexcept {
    std::size_t const first = place_of(frame);
    creation* free = nullptr;
    for (std::size_t i = 0; i < reach; ++i) {
        creation& c = all[(first + i) % most];
        if (c.frame == frame)
            return c;
        if (c.frame == nullptr && free == nullptr)
            free = &c;
    }
    return free != nullptr ? *free : all[first];
}

} // namespace

void begin_noting(std::shared_ptr<report_sink> const& reports) {
    {
        std::lock_guard const hold(mutex);
        noting.push_back(reports);
        if (noting.size() == 1)
            if (creation* const all = table.load()) // of earlier runtimes: who knows what is there now
                std::fill(all, all + most, creation());
        noting_count.store(noting.size());
    }
    bypass_frame_caches(true);
    if (current_thread == nullptr)
        bypass_frame_cache(true);
}

void end_noting(std::shared_ptr<report_sink> const& reports) noexcept {
    std::lock_guard const hold(mutex);
    std::erase(noting, reports); // each has one of its own
    noting_count.store(noting.size());
    if (noting.empty()) {
        bypass_frame_caches(false);
        if (current_thread == nullptr)
            bypass_frame_cache(false);
    }
}

std::shared_ptr<report_sink> debug_reports() noexcept {
    if (noting_count.load() == 0)
        return nullptr;
    std::lock_guard const hold(mutex);
    return noting.empty() ? nullptr : noting.back();
}

void* allocate_coroutine_slowly(std::size_t size) {
    void* const frame = allocate_frame_slowly(size);
    thread_context const* const here = current_thread;
    bool const anybody = noting_count.load(std::memory_order_relaxed) != 0; // of this thread's own runtime it knows
    if (!anybody) [[likely]]
        return frame;
    if (here != nullptr && !here->home->debug()) {
        forget_creation(frame);
        return frame;
    }
    stack_trace const* const made = stack_trace::kept();
    if (creation* const all = table_of_all(); all != nullptr) {
        std::lock_guard const hold(mutex);
        find(all, frame) = {frame, made};
    }
    return frame;
}

void forget_creation(void const* frame) noexcept {
    creation* const all = table.load();
    if (all == nullptr)
        return;
    std::lock_guard const hold(mutex);
    if (creation& c = find(all, frame); c.frame == frame)
        c.made = nullptr;
}

stack_trace const* creation_of(void const* frame) noexcept {
    creation* const all = table.load();
    if (all == nullptr)
        return nullptr;
    std::lock_guard const hold(mutex);
    creation const& c = find(all, frame);
    return c.frame == frame ? c.made : nullptr;
}

void lock_creations() noexcept { mutex.lock(); }
void unlock_creations() noexcept { mutex.unlock(); }
void forget_noting() noexcept {
    noting.clear(); // they belong to runtimes that are never destroyed here
    noting_count.store(0);
}

} // namespace aya::inline v1::detail
