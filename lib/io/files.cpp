// SPDX-License-Identifier: Apache-2.0
#include <aya/io/files.hpp>

#include <aya/to_thread.hpp>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace aya::inline v1::io {

namespace {

class file {
public:
    file(std::string const& path, int how) : path_(path), descriptor_(::open(path.c_str(), how | O_CLOEXEC, 0666)) {
        if (descriptor_ < 0)
            fail("opening");
    }
    ~file() {
        if (descriptor_ >= 0)
            ::close(descriptor_);
    }
    file(file const&) = delete;
    file& operator=(file const&) = delete;

    std::string read_all() {
        std::string data;
        constexpr std::size_t step = 64 * 1024;
        for (std::size_t size = 0;;) {
            data.resize(size + std::max(step, size));
            ssize_t const n = ::read(descriptor_, data.data() + size, data.size() - size);
            if (n < 0 && errno != EINTR)
                fail("reading");
            if (n == 0) {
                data.resize(size);
                return data;
            }
            size += static_cast<std::size_t>(std::max<ssize_t>(n, 0));
        }
    }
    void write_all(std::string const& data) {
        for (std::size_t done = 0; done < data.size();) {
            ssize_t const n = ::write(descriptor_, data.data() + done, data.size() - done);
            if (n < 0 && errno != EINTR)
                fail("writing");
            done += static_cast<std::size_t>(std::max<ssize_t>(n, 0));
        }
    }
    // A file system may report here what it could not write.
    void close() {
        if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR)
            fail("writing");
    }

private:
    [[noreturn]] void fail(char const* what) {
        throw std::system_error(errno, std::generic_category(), std::string("aya::io: ") + what + " " + path_);
    }

    std::string const& path_;
    int descriptor_;
};

std::string read_now(std::string const& path) { return file(path, O_RDONLY).read_all(); }

void write_now(std::string const& path, std::string const& data, int how) {
    file f(path, O_WRONLY | O_CREAT | how);
    f.write_all(data);
    f.close();
}

} // namespace

task<std::string> read_file(std::string path) { co_return co_await to_thread(read_now, std::move(path)); }
task<> write_file(std::string path, std::string data) {
    co_await to_thread(write_now, std::move(path), std::move(data), O_TRUNC);
}
task<> append_file(std::string path, std::string data) {
    co_await to_thread(write_now, std::move(path), std::move(data), O_APPEND);
}

} // namespace aya::inline v1::io
