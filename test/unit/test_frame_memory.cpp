// SPDX-License-Identifier: Apache-2.0
#include <aya/config.hpp>
#include <aya/detail/frame_memory.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <set>

using aya::detail::allocate_frame;
using aya::detail::release_frame;

TEST_CASE("frame_memory: blocks of every size are aligned, distinct and whole") {
    struct block {
        unsigned char* memory;
        std::size_t size;
        unsigned char mark;
    };
    std::vector<block> blocks;
    for (std::size_t size = 1; size < 2100; size += size < 128 ? 1 : 37)
        for (int copy = 0; copy < 3; ++copy) {
            auto* const memory = static_cast<unsigned char*>(allocate_frame(size));
            CHECK(reinterpret_cast<std::uintptr_t>(memory) % alignof(std::max_align_t) == 0);
            auto const mark = static_cast<unsigned char>(blocks.size() * 7 + 1);
            std::memset(memory, mark, size);
            blocks.push_back({memory, size, mark});
        }
    std::size_t overwritten = 0;
    for (auto const& b : blocks) {
        for (std::size_t i = 0; i < b.size; ++i)
            overwritten += b.memory[i] == b.mark ? 0 : 1;
        release_frame(b.memory, b.size);
    }
    CHECK(overwritten == 0);
}

TEST_CASE("frame_memory: a block that was given back is used again") {
    if (AYA_SANITIZED)
        return; // there every block is the heap's own
    void* const first = allocate_frame(200);
    release_frame(first, 200);
    void* const second = allocate_frame(200);
    CHECK(first == second);
    release_frame(second, 200);
}

TEST_CASE("frame_memory: what one thread allocates and another frees goes round: the number of blocks stays bounded") {
    if (AYA_SANITIZED)
        return;
    constexpr std::size_t batch = 100;
    constexpr std::size_t rounds = 3000;
    std::set<void*> distinct;
    std::vector<void*> passed;
    std::atomic<std::size_t> turn{0}; // even: the allocating thread's, odd: the freeing one's
    test::thread_crew crew;
    crew.add([&] {
        for (std::size_t r = 0; r < rounds; ++r) {
            while (turn.load() != 2 * r)
                std::this_thread::yield();
            for (std::size_t i = 0; i < batch; ++i) {
                passed.push_back(allocate_frame(96));
                distinct.insert(passed.back());
            }
            turn.store(2 * r + 1);
        }
    });
    crew.add([&] {
        for (std::size_t r = 0; r < rounds; ++r) {
            while (turn.load() != 2 * r + 1)
                std::this_thread::yield();
            for (void* const p : passed)
                release_frame(p, 96);
            passed.clear();
            turn.store(2 * r + 2);
        }
    });
    crew.join();
    // 300,000 blocks were asked for; a batch and a few magazines of 64 are really there.
    CHECK(distinct.size() < 1000);
}

TEST_CASE("frame_memory: a thread that ends leaves its blocks to the others") {
    if (AYA_SANITIZED)
        return;
    std::set<void*> distinct;
    for (int t = 0; t < 200; ++t)
        std::thread([&] {
            std::vector<void*> mine;
            for (int i = 0; i < 100; ++i) {
                mine.push_back(allocate_frame(160));
                distinct.insert(mine.back());
            }
            for (void* const p : mine)
                release_frame(p, 160);
        }).join();
    CHECK(distinct.size() < 1000); // of 20,000
}
