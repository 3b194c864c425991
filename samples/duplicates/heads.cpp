// SPDX-License-Identifier: Apache-2.0
#include "heads.hpp"

#include "open.hpp"

#include <algorithm>
#include <cerrno>

namespace duplicates {

void skip_unreadable(tally& counts, file const& f, int error) {
    // ELOOP: a symbolic link has taken the place of the file.
    bool const gone = error == ENOENT || error == ENOTDIR || error == ELOOP;
    counts.skip(gone ? skipped::vanished : skipped::unreadable_file, path_of(f), error);
}

batch_ptr read_heads(batch_ptr files, tally& counts) {
    constexpr std::size_t cache_line = 64;
    std::size_t room = 0;
    for (item& it : files->items) {
        it.offset = static_cast<std::uint32_t>(room);
        it.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(it.what->size, head_size));
        room += (it.length / cache_line + 1) * cache_line;
    }
    files->data = make_buffer(room);
    opener open_in_order;
    std::uint64_t bytes = 0;
    for (item& it : files->items) {
        it.usable = false;
        if (counts.stopped()) {
            continue;
        }
        descriptor const fd = open_in_order.open(*it.what);
        if (!fd) {
            skip_unreadable(counts, *it.what, errno);
            continue;
        }
        // One byte more than a small file should have: if it is there, the file has grown.
        std::size_t const extra = it.length == it.what->size ? 1 : 0;
        char* const to = files->data.get() + it.offset;
        ssize_t const got = read_enough(fd.get(), to, it.length, it.length + extra, 0);
        if (got < 0) {
            skip_unreadable(counts, *it.what, errno);
        } else if (static_cast<std::size_t>(got) != it.length) {
            counts.skip(skipped::changed, path_of(*it.what));
        } else {
            it.usable = true;
        }
        bytes += it.length;
    }
    counts.bytes.fetch_add(bytes, tally::relaxed);
    return files;
}

batch_ptr hash_heads(batch_ptr files) {
    for (item& it : files->items) {
        if (it.usable) {
            it.hash = XXH3_128bits(files->data.get() + it.offset, it.length);
        }
    }
    files->data.reset();
    return files;
}

}  // namespace duplicates
