// SPDX-License-Identifier: Apache-2.0
#include "contents.hpp"

#include "buffer.hpp"
#include "heads.hpp"

#include <algorithm>
#include <cerrno>

namespace duplicates {
namespace {

constexpr std::size_t chunk_size = 128 * 1024;

}  // namespace

content_job::content_job(batch_ptr files, tally& counts)
    : files_(std::move(files)), counts_(counts), state_(XXH3_createState()) {}

void content_job::open_files() {
    opener open_in_order;
    open_.reserve(files_->items.size());
    for (item& it : files_->items) {
        open_.push_back(open_in_order.open(*it.what));
        if (!open_.back()) {
            it.usable = false;
            skip_unreadable(counts_, *it.what, errno);
        }
    }
}

content_job::progress content_job::step(source from, std::uint64_t budget) {
    while (at_ < files_->items.size()) {
        item& it = files_->items[at_];
        if (it.usable) {
            progress const result = hash_file(it, from, budget);
            if (result != progress::done) {
                return result;
            }
        }
        open_[at_++] = descriptor();
        offset_ = 0;
    }
    return progress::done;
}

// done: the file is hashed, or it has turned out not to be usable.
content_job::progress content_job::hash_file(item& it, source from, std::uint64_t& budget) {
    thread_local buffer const chunk = make_buffer(chunk_size + 1);
    int const fd = open_[at_].get();
    std::uint64_t const size = it.what->size;
    auto const give_up = [&] {
        it.usable = false;
        return progress::done;
    };
    while (offset_ < size) {
        if (counts_.stopped()) {
            return give_up();
        }
        if (budget == 0) {
            return progress::more;
        }
        std::uint64_t const left = size - offset_;
        auto const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_size));
        // A byte more than is left shows whether the file has grown.
        std::size_t const room = wanted == left ? wanted + 1 : wanted;
        auto const offset = static_cast<off_t>(offset_);
        ssize_t const got = from == source::cached ? read_cached(fd, chunk.get(), room, offset)
                                                  : read_enough(fd, chunk.get(), wanted, room, offset);
        if (got < 0 && from == source::cached && (errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR)) {
            return progress::would_wait;
        }
        if (got < 0) {
            skip_unreadable(counts_, *it.what, errno);
            return give_up();
        }
        auto const length = static_cast<std::uint64_t>(got);
        if (length == 0 || length > left) {
            counts_.skip(skipped::changed, path_of(*it.what));
            return give_up();
        }
        if (offset_ == 0) {
            XXH3_128bits_reset(state_.get());
        }
        XXH3_128bits_update(state_.get(), chunk.get(), length);
        offset_ += length;
        budget -= std::min(budget, length);
        counts_.bytes.fetch_add(length, tally::relaxed);
    }
    it.hash = XXH3_128bits_digest(state_.get());
    return progress::done;
}

}  // namespace duplicates
