// SPDX-License-Identifier: Apache-2.0
// The whole content of the files whose heads are alike: one job for a batch, in steps, on whichever pool
// suits.
#pragma once

#include "batch.hpp"
#include "open.hpp"
#include "tally.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace duplicates {

class content_job {
public:
    content_job(batch_ptr files, tally& counts);

    // Opens the files. Waits for the disk.
    void open_files();

    // Where the next bytes come from. cached: what the page cache holds; the step ends where a disk would
    // have to be waited for. A chunk is hashed while it lies in the cache of the core that read it, which is
    // far quicker than handing it to another one. disk: whatever it takes.
    enum class source { cached, disk };

    // Reads and hashes about `budget` bytes. done: so is every file. would_wait: the page cache has no more.
    enum class progress { done, more, would_wait };
    progress step(source from, std::uint64_t budget);

    batch_ptr take() { return std::move(files_); }

private:
    progress hash_file(item& it, source from, std::uint64_t& budget);

    struct free_state {
        void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
    };

    batch_ptr files_;
    tally& counts_;
    std::vector<descriptor> open_;
    std::unique_ptr<XXH3_state_t, free_state> state_;
    std::size_t at_ = 0;         // the file in hand
    std::uint64_t offset_ = 0;   // and how much of it is hashed
};

}  // namespace duplicates
