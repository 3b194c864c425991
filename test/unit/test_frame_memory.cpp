// SPDX-License-Identifier: Apache-2.0
#include <aya/config.hpp>
#include <aya/runtime.hpp>
#include <aya/detail/frame_memory.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <set>

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

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
    constexpr std::size_t rounds = 1000;
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
    // 100,000 blocks were asked for; a batch and a few magazines of 64 are really there.
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

TEST_CASE("frame_memory: a thread that only frees leaves its blocks to the others too") {
    if (AYA_SANITIZED)
        return;
    std::set<void*> distinct;
    for (int t = 0; t < 200; ++t) {
        std::vector<void*> passed;
        for (int i = 0; i < 60; ++i) { // less than a magazine
            passed.push_back(allocate_frame(224));
            distinct.insert(passed.back());
        }
        std::thread([&] {
            for (void* const p : passed)
                release_frame(p, 224);
        }).join();
    }
    CHECK(distinct.size() < 1000); // of 12,000
}

TEST_CASE("frame_memory: beyond the limit, what was in use goes back to the heap; below it, it is kept") {
    if (AYA_SANITIZED)
        return;
    // The limit is the process's, so this happens in one of its own.
    pid_t const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::alarm(30);
        constexpr std::size_t size = 1000;
        constexpr std::size_t count = 20'000;
        std::vector<void*> blocks;
        blocks.reserve(count);
        auto const in_use = [] { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; };
        auto const fill_and_empty = [&] {
            std::size_t const before = in_use();
            for (std::size_t i = 0; i < count; ++i)
                blocks.push_back(allocate_frame(size));
            for (void* const b : blocks)
                std::memset(b, 1, size);
            for (void* const b : blocks)
                release_frame(b, size);
            blocks.clear();
            return in_use() - before;
        };
        auto const resident = [] {
            long pages = 0;
            long resident_pages = 0;
            std::ifstream("/proc/self/statm") >> pages >> resident_pages;
            return static_cast<std::size_t>(resident_pages * ::sysconf(_SC_PAGESIZE));
        };
        // First, 20 MB are kept. Then a limit: these stay, and are used again; what is needed beyond them is not kept.
        std::size_t const resident_before = resident();
        fill_and_empty();
        bool good = resident() >= resident_before + size * count / 10 * 9; // a few were there before
        { aya::runtime const limiting({.workers = 1, .frame_memory_limit = 1000}); }
        good = good && fill_and_empty() < 100'000;
        std::size_t const before = in_use();
        for (std::size_t i = 0; i < count; ++i)
            blocks.push_back(allocate_frame(size));
        std::size_t const kept = in_use() - before;
        std::vector<void*> more;
        for (std::size_t i = 0; i < count; ++i)
            more.push_back(allocate_frame(size));
        std::size_t const beyond = in_use() - before;
        for (void* const b : more)
            release_frame(b, size);
        for (void* const b : blocks)
            release_frame(b, size);
        std::size_t const after = in_use() - before;
        good = good && kept < 500'000 && beyond >= size * count / 10 * 9 && after < 1'000'000;
        std::thread([&] { // its magazines hold blocks of both kinds when it ends
            for (std::size_t i = 0; i < 2 * count; ++i)
                more[i % count] = allocate_frame(size), release_frame(more[i % count], size);
        }).join();
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
