// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/shared_block.hpp>

#include "process/descriptor.hpp"

#include <cerrno>
#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

// Without the seal a process could shorten the file under the other one, which would die of SIGBUS.
constexpr int size_is_fixed = F_SEAL_SHRINK | F_SEAL_GROW;

void* map(int descriptor, std::size_t bytes) {
    void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED)
        throw_errno("aya: mapping shared memory");
    return data;
}

} // namespace

shared_block::shared_block(std::size_t bytes, bool in_file) : bytes_(bytes) {
    if (!in_file) {
        if (bytes != 0 && (data_ = std::calloc(1, bytes)) == nullptr)
            throw std::bad_alloc();
        return;
    }
    if (bytes > static_cast<std::size_t>(std::numeric_limits<off_t>::max()))
        throw std::bad_alloc();
    unique_descriptor file(::memfd_create("aya", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file)
        throw_errno("aya: making shared memory");
    if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 || ::fcntl(file.get(), F_ADD_SEALS, size_is_fixed) != 0)
        throw_errno("aya: making shared memory");
    data_ = map(file.get(), bytes);
    descriptor_ = file.release();
}

shared_block shared_block::adopt(int descriptor, std::size_t bytes) {
    unique_descriptor file(descriptor);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0)
        throw_errno("aya: shared memory from another process");
    int const seals = ::fcntl(file.get(), F_GET_SEALS);
    if (bytes == 0 || status.st_size < 0 || static_cast<std::size_t>(status.st_size) < bytes || seals < 0 ||
        (seals & size_is_fixed) != size_is_fixed)
        throw std::runtime_error("aya: shared memory from another process is not what it was said to be");
    shared_block block;
    block.data_ = map(file.get(), bytes);
    block.bytes_ = bytes;
    block.descriptor_ = file.release();
    return block;
}

shared_block::~shared_block() {
    if (descriptor_ >= 0) {
        ::munmap(data_, bytes_);
        ::close(descriptor_);
    } else {
        std::free(data_);
    }
}

} // namespace aya::inline v1::detail
