// SPDX-License-Identifier: Apache-2.0
// The global operators new and delete of a test executable; included by one of its sources.
#pragma once

#include "support/shortage.hpp"

#include <cstddef>
#include <cstdlib>

namespace test {
inline void* allocate_unless_short(std::size_t size) noexcept {
    next_allocation::happens();
    return short_memory::now() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
} // namespace test

void* operator new(std::size_t size) {
    void* const block = test::allocate_unless_short(size);
    if (block == nullptr)
        throw std::bad_alloc();
    return block;
}
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return test::allocate_unless_short(size); }
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept { return test::allocate_unless_short(size); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::nothrow_t const&) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::nothrow_t const&) noexcept { std::free(block); }
