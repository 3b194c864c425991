// SPDX-License-Identifier: Apache-2.0
// The first block of every candidate: most files that differ differ there, and small ones are done with it.
#pragma once

#include "batch.hpp"
#include "tally.hpp"

#include <cstddef>

namespace duplicates {

// A page: what one small read costs anyway.
inline constexpr std::size_t head_size = 4096;

// Reads min(size, head_size) bytes of every file into the data of the batch. Waits for the disk.
batch_ptr read_heads(batch_ptr files, tally& counts);

// Hashes what read_heads() read. Computes only.
batch_ptr hash_heads(batch_ptr files);

// Counts a file that could not be read, by what errno says.
void skip_unreadable(tally& counts, file const& f, int error);

}  // namespace duplicates
