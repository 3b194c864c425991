// SPDX-License-Identifier: Apache-2.0
// A table from the address of a frame to the stack in which it was made. Whoever takes the same address next writes over it, so nothing is
// ever removed; and where very many frames live at a time, some are forgotten. A frame that a thread outside debug mode makes is not in it, though another one of that
// address may be.
#include "executors/creations.hpp"

#include "executors/current_thread.hpp"

#include <aya/detail/promise.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/spin_lock.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>

namespace aya::inline v1::detail {

namespace {

struct creation {
    void const* frame = nullptr;
    stack_trace const* made = nullptr;
};

constexpr std::size_t most = 1 << 16;
constexpr std::size_t reach = 8; // how far from its place an entry may be

constinit std::atomic<creation*> table{nullptr}; // made when it is first used, and for ever
constinit spin_lock mutex;                       // of what is in it

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

void* allocate_coroutine_slowly(std::size_t size) {
    void* const frame = allocate_frame_slowly(size);
    thread_context const* const here = current_thread;
    if (here == nullptr || !here->home->debug()) [[likely]]
        return frame;
    stack_trace const* const made = stack_trace::kept();
    if (creation* const all = table_of_all(); all != nullptr) {
        std::lock_guard const hold(mutex);
        find(all, frame) = {frame, made};
    }
    return frame;
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

} // namespace aya::inline v1::detail
