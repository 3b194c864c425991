// SPDX-License-Identifier: Apache-2.0
// Memory that files are read into. It starts at a page, as the content of a file does in the page cache.
// To an address a few bytes after one, where malloc() puts large blocks, some processors copy at an eighth
// of the speed.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace duplicates {

inline constexpr std::size_t page_size = 4096;

struct free_pages {
    void operator()(char* pages) const { ::operator delete[](pages, std::align_val_t(page_size)); }
};
using buffer = std::unique_ptr<char[], free_pages>;

inline buffer make_buffer(std::size_t size) {
    return buffer(static_cast<char*>(::operator new[](size, std::align_val_t(page_size))));
}

}  // namespace duplicates
