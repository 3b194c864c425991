// SPDX-License-Identifier: Apache-2.0
// Opening files and directories by record, without following symbolic links, waiting for fifos or touching
// atimes.
#pragma once

#include "file.hpp"

#include <string>
#include <utility>

#include <unistd.h>

namespace duplicates {

// Owns a file descriptor.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~descriptor() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

// On failure the descriptor is empty and errno says why.
descriptor open_directory(directory const& dir);

// Opens files. From the second file of a directory in a row on, that directory is held open: the kernel then
// looks up one name instead of a path, an eighth of the time of reading a small file.
class opener {
public:
    descriptor open(file const& f);

private:
    directory const* parent_ = nullptr;
    descriptor parent_fd_;
    std::string path_;
};

// Reads up to `room` bytes, until there are `enough` or the file ends; -1 and errno on failure. Room for one
// byte more than a file should have shows in the same call that it has not grown.
ssize_t read_enough(int fd, char* to, std::size_t enough, std::size_t room, off_t offset);

// One read of what the page cache holds: fails with EAGAIN rather than wait for a disk, and with EOPNOTSUPP
// on a file system that cannot tell.
ssize_t read_cached(int fd, char* to, std::size_t room, off_t offset);

}  // namespace duplicates
