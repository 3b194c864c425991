// SPDX-License-Identifier: Apache-2.0
// The walk through the trees. It is cut into steps, so that its batches flow while it is still under way.
#pragma once

#include "batch.hpp"
#include "file.hpp"
#include "open.hpp"
#include "sieve.hpp"
#include "tally.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

struct stat;

namespace duplicates {

struct walk_options {
    std::uint64_t min_size = 1;
    std::size_t batch_files = 256;
    std::uint64_t batch_bytes = 512 * 1024;
};

class walker {
public:
    walker(std::vector<std::string> const& roots, walk_options options, tally& counts);

    // Walks on until about `entries` directory entries are seen; returns batches of files whose size is not
    // unique. finished() afterwards tells whether there is more. One caller at a time.
    std::vector<batch_ptr> step(std::size_t entries);
    bool finished() const { return finished_; }

    // Roots that could not be reached: one message each.
    std::vector<std::string> const& missing_roots() const { return missing_roots_; }

    // Files with several names, each once: the others hang on next_link.
    std::vector<file*> linked_files() const;

private:
    struct identity {
        std::uint64_t device;
        std::uint64_t inode;
        bool operator==(identity const&) const = default;
    };
    struct identity_hash {
        std::size_t operator()(identity const& id) const {
            return std::hash<std::uint64_t>()(id.inode * 0x9e3779b97f4a7c15U + id.device);
        }
    };

    void add_root(std::string const& root);
    bool open_next();
    void scan(char const* entries, std::size_t length);
    void meet(directory const* parent, std::string_view name, struct stat const& status);
    void skip(skipped why, std::string_view name, int error = 0);
    std::string_view keep(std::string_view name);
    directory const* add_directory(directory const* parent, std::string_view name);

    walk_options options_;
    tally& counts_;
    std::pmr::monotonic_buffer_resource arena_;
    std::vector<char> entries_;
    std::vector<directory const*> pending_;
    directory const* current_ = nullptr;
    descriptor open_;
    std::unordered_set<identity, identity_hash> directories_;
    std::unordered_map<identity, file*, identity_hash> linked_;
    bool file_roots_ = false;
    size_sieve sizes_;
    batcher found_;
    std::vector<std::string> missing_roots_;
    bool finished_ = false;
};

}  // namespace duplicates
