// SPDX-License-Identifier: Apache-2.0
// What the stages hand on: many files at a time, so that a queue, a wake-up or a change of threads costs
// little a file.
#pragma once

#include "buffer.hpp"
#include "file.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <xxhash.h>

namespace duplicates {

using digest = XXH128_hash_t;

// A file on its way through a hashing stage.
struct item {
    item() = default;
    explicit item(file* f) : what(f) {}

    file* what = nullptr;
    digest hash{};
    std::uint32_t offset = 0;  // of its bytes in the data of the batch
    std::uint32_t length = 0;
    bool usable = true;
};

struct batch {
    std::vector<item> items;
    buffer data;               // the heads of the files
    std::uint64_t weight = 0;  // bytes there are to read
};

using batch_ptr = std::unique_ptr<batch>;

// Fills batches: one is full when it has enough files or enough to read.
class batcher {
public:
    batcher(std::size_t max_items, std::uint64_t max_weight)
        : max_items_(max_items), max_weight_(max_weight) {}

    void add(file* f, std::uint64_t weight) {
        if (!filling_) {
            filling_ = std::make_unique<batch>();
            filling_->items.reserve(max_items_);
        }
        filling_->items.emplace_back(f);
        filling_->weight += weight;
        if (filling_->items.size() >= max_items_ || filling_->weight >= max_weight_) {
            flush();
        }
    }

    void flush() {
        if (filling_) {
            full_.push_back(std::move(filling_));
        }
    }

    std::vector<batch_ptr> take() { return std::exchange(full_, {}); }

private:
    std::size_t max_items_;
    std::uint64_t max_weight_;
    batch_ptr filling_;
    std::vector<batch_ptr> full_;
};

}  // namespace duplicates
