// SPDX-License-Identifier: Apache-2.0
// What the tool knows of a file. Records live in one arena for the whole run, so every stage hands pointers
// on.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace duplicates {

// A directory knows its parent, so a path is put together only when a system call or a line of output needs
// it.
struct directory {
    directory const* parent = nullptr;
    std::string_view name;  // ends with a NUL; a root carries the path it was given as
};

struct file {
    directory const* parent = nullptr;
    std::string_view name;  // ends with a NUL
    std::uint64_t size = 0;
    ino_t inode = 0;
    dev_t device = 0;
    file* next_link = nullptr;  // another name of the same inode
};

// File names are bytes: nothing here assumes an encoding.
inline void append_path(std::string& out, directory const& dir) {
    if (dir.parent != nullptr) {
        append_path(out, *dir.parent);
        if (out.empty() || out.back() != '/') {
            out.push_back('/');
        }
    }
    out.append(dir.name);
}

inline void append_path(std::string& out, file const& f) {
    if (f.parent != nullptr) {
        append_path(out, *f.parent);
        if (out.empty() || out.back() != '/') {
            out.push_back('/');
        }
    }
    out.append(f.name);
}

template <typename Record>
std::string path_of(Record const& record) {
    std::string path;
    append_path(path, record);
    return path;
}

}  // namespace duplicates
