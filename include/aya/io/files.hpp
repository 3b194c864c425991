// SPDX-License-Identifier: Apache-2.0
// Whole files, through the blocking pool: the system has no way to wait for a file.
#pragma once

#include <aya/task.hpp>

#include <string>

namespace aya::inline v1::io {

/// Everything in a file. Throws std::system_error, whose text names it.
[[nodiscard]] task<std::string> read_file(std::string path);
/// Replaces a file's contents, or makes the file. Cancelled, it may be half written.
[[nodiscard]] task<> write_file(std::string path, std::string data);
/// Adds to a file's end, or makes it.
[[nodiscard]] task<> append_file(std::string path, std::string data);

} // namespace aya::inline v1::io
