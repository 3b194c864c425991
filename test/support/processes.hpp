// SPDX-License-Identifier: Apache-2.0
// What tests with several processes meet by: gates that a call waits at, and a file that counts who began.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <cerrno>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace test {

class temporary_folder {
public:
    temporary_folder() {
        char pattern[] = "/tmp/aya-test-XXXXXX";
        if (::mkdtemp(pattern) == nullptr)
            throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_folder(temporary_folder const&) = delete;
    temporary_folder& operator=(temporary_folder const&) = delete;

    [[nodiscard]] std::string file(std::string const& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// A place where a call in another process waits, so that a test knows that it has begun, and says when it goes on.
class gate {
public:
    explicit gate(temporary_folder const& folder, std::string const& name = "gate") : path_(folder.file(name)) {
        if (::mkfifo(path_.c_str(), 0600) != 0)
            throw std::runtime_error("mkfifo");
    }
    ~gate() { close(); }
    gate(gate const&) = delete;
    gate& operator=(gate const&) = delete;

    [[nodiscard]] std::string const& path() const noexcept { return path_; }

    /// Whether somebody has come to the gate. He waits there until open().
    bool somebody_waits() {
        if (descriptor_ < 0)
            descriptor_ = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC); // fails while nobody reads
        return descriptor_ >= 0;
    }
    /// Lets the one who waits go on.
    void open() {
        char const byte = 0;
        (void)!::write(descriptor_, &byte, 1);
        close();
    }
    void close() {
        if (descriptor_ >= 0)
            ::close(descriptor_);
        descriptor_ = -1;
    }

    /// The other side.
    static void wait_at(std::string const& path) {
        int const descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        char byte = 0;
        (void)!::read(descriptor, &byte, 1);
        ::close(descriptor);
    }

private:
    std::string path_;
    int descriptor_ = -1;
};

/// Appends a number to a file, in one piece.
inline void note(std::string const& path, std::uint64_t number) {
    int const descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)!::write(descriptor, &number, sizeof number);
    ::close(descriptor);
}
/// How often each number below `limit` was noted.
inline std::vector<int> notes(std::string const& path, std::size_t limit) {
    std::vector<int> counts(limit, 0);
    std::ifstream in(path, std::ios::binary);
    for (std::uint64_t number = 0; in.read(reinterpret_cast<char*>(&number), sizeof number);)
        if (number < limit)
            ++counts[number];
    return counts;
}

/// As /proc says it: R, S, T when it is stopped, Z for a zombie; X when there is no such process.
inline char state_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(in, text);
    auto const end = text.rfind(") ");
    return end == std::string::npos ? 'X' : text[end + 2];
}

/// Whether a process still runs; a zombie does not.
inline bool runs(pid_t pid) {
    char const state = state_of(pid);
    return state != 'Z' && state != 'X';
}

/// Of this process.
inline std::set<int> descriptors() {
    std::set<int> all;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        all.insert(std::atoi(entry.path().filename().c_str()));
    return all;
}
inline std::size_t open_descriptors() { return descriptors().size(); }

/// Those that are open, were not before, and would go to a program that were started now.
inline std::string inherited_since(std::set<int> const& before) {
    std::string all;
    for (int const d : descriptors())
        if (int const flags = ::fcntl(d, F_GETFD); before.count(d) == 0 && flags >= 0 && (flags & FD_CLOEXEC) == 0)
            all += std::to_string(d) + " ";
    return all;
}

} // namespace test
