// SPDX-License-Identifier: Apache-2.0
#include "open.hpp"

#include <atomic>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <sys/uio.h>

namespace duplicates {
namespace {

// A path longer than PATH_MAX is no argument for a system call: walk down from the root, a name at a time.
descriptor open_step_by_step(directory const& dir, int flags) {
    if (dir.parent == nullptr) {
        return descriptor(open(dir.name.data(), flags & ~O_NOFOLLOW));
    }
    descriptor const parent = open_step_by_step(*dir.parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return parent ? descriptor(openat(parent.get(), dir.name.data(), flags)) : descriptor();
}

descriptor open_path(directory const& dir, std::string& path, int flags) {
    path.clear();
    append_path(path, dir);
    return path.size() < PATH_MAX ? descriptor(open(path.c_str(), dir.parent ? flags : flags & ~O_NOFOLLOW))
                                  : open_step_by_step(dir, flags);
}

// O_NOATIME is for the owner of a file (and root) alone. The first refusal stands for those that would
// follow.
std::atomic<bool> noatime_refused{false};

template <typename Open>
descriptor open_without_atime(Open open_with) {
    if (!noatime_refused.load(std::memory_order_relaxed)) {
        descriptor fd = open_with(O_NOATIME);
        if (fd || errno != EPERM) {
            return fd;
        }
        noatime_refused.store(true, std::memory_order_relaxed);
    }
    return open_with(0);
}

}  // namespace

descriptor open_directory(directory const& dir) {
    std::string path;
    return open_without_atime([&](int extra) {
        return open_path(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | extra);
    });
}

descriptor opener::open(file const& f) {
    // O_NONBLOCK: should a fifo have taken the name since the walk, opening it must not wait for a writer.
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int from = AT_FDCWD;
    char const* name = f.name.data();
    if (f.parent == nullptr) {
        flags &= ~O_NOFOLLOW;  // named on the command line
    } else {
        bool const again = f.parent == parent_;
        if (!again) {
            parent_ = f.parent;
            parent_fd_ = descriptor();
            path_.clear();
            append_path(path_, f);
        }
        if (again || path_.size() >= PATH_MAX) {
            if (!parent_fd_) {
                parent_fd_ = open_path(*f.parent, path_, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            }
            if (!parent_fd_) {
                return {};
            }
            from = parent_fd_.get();
        } else {
            name = path_.c_str();
        }
    }
    return open_without_atime([&](int extra) { return descriptor(openat(from, name, flags | extra)); });
}

ssize_t read_enough(int fd, char* to, std::size_t enough, std::size_t room, off_t offset) {
    std::size_t have = 0;
    do {
        ssize_t const got = pread(fd, to + have, room - have, offset + static_cast<off_t>(have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        have += static_cast<std::size_t>(got);
    } while (have < enough);
    return static_cast<ssize_t>(have);
}

ssize_t read_cached(int fd, char* to, std::size_t room, off_t offset) {
    iovec const whole{to, room};
    return preadv2(fd, &whole, 1, offset, RWF_NOWAIT);
}

}  // namespace duplicates
