// SPDX-License-Identifier: Apache-2.0
#include "platform/huge_page.hpp"

#include <cstdint>

#include <sys/mman.h>

namespace aya::inline v1::detail {

std::span<std::byte> allocate_huge_page() noexcept {
    // Twice the size holds one that is aligned; what is left on both sides is given back.
    void* const mapped = mmap(nullptr, 2 * huge_page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return {};
    auto* const begin = static_cast<std::byte*>(mapped);
    std::size_t const before = huge_page_size - reinterpret_cast<std::uintptr_t>(begin) % huge_page_size;
    std::byte* const page = begin + before;
    munmap(begin, before);
    if (before != huge_page_size)
        munmap(page + huge_page_size, huge_page_size - before);
    // Both are hints. All small pages at once cost half of what they cost one by one. The large one is for the kernel to make of them in the
    // background: asked for before they are there, it is made at the first touch, and where memory is fragmented that has taken milliseconds, on a
    // thread that creates a task.
#ifdef MADV_POPULATE_WRITE
    madvise(page, huge_page_size, MADV_POPULATE_WRITE);
#endif
    madvise(page, huge_page_size, MADV_HUGEPAGE);
    return {page, huge_page_size};
}

} // namespace aya::inline v1::detail
