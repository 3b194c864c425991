// SPDX-License-Identifier: Apache-2.0
// E34: bytes are what a child process has written into the memory that it shares: a header and what follows it, anywhere in the ring. Either it is
// refused, or it is read within its bounds and its values are decoded, or refused with an exception. Nothing allocates more than a
// message may hold, whatever sizes the bytes claim.
#include "fuzz/bytes.hpp"

#include "process/wire.hpp"

#include <aya/detail/process_codec.hpp>
#include <aya/process_errors.hpp>
#include <aya/shared_array.hpp>

#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/vector.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <tuple>
#include <vector>

namespace {

std::atomic<bool> watched{false};
// A message's bytes, as elements of the largest type below, and room for a container that doubles.
constexpr std::size_t most_at_once = 4 * 1024 * 1024;

} // namespace

void* operator new(std::size_t size) {
    if (watched.load(std::memory_order_relaxed) && size > most_at_once) {
        std::fprintf(stderr, "FOUND: an allocation of %zu bytes\n", size);
        std::abort();
    }
    if (void* const block = std::malloc(size == 0 ? 1 : size))
        return block;
    throw std::bad_alloc();
}
// libFuzzer sorts with it, and what it gets goes to the operator below.
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return std::malloc(size == 0 ? 1 : size); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace {

using namespace aya::detail;

template <class T>
void decode_as(process_message& m) {
    message_input input(m);
    process_reader reader(input);
    (void)decode<T>(reader);
    input.finish();
}

void decode_something(process_message& m, int which) {
    switch (which) {
    case 0:
        return decode_as<std::string>(m);
    case 1:
        return decode_as<std::vector<std::string>>(m);
    case 2:
        return decode_as<std::map<int, std::vector<double>>>(m);
    case 3:
        return decode_as<std::tuple<int, bool, std::string, std::vector<std::vector<int>>>>(m);
    case 4:
        return decode_as<std::vector<int>>(m);
    case 5:
        return decode_as<aya::shared_array<double>>(m);
    case 6:
        return decode_as<std::vector<std::map<std::string, bool>>>(m);
    default:
        return decode_as<long>(m);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    static auto const memory = std::make_unique<std::byte[]>(ring_bytes);
    fuzz::bytes in(data, size);
    int const which = in.below(8);
    std::uint64_t const position = in.one_in(2) ? ring_bytes - in.next() : in.number<std::uint64_t>(); // also across the end
    wire_header header;
    header.bytes = in.one_in(4) ? in.number<std::uint32_t>() : in.number<std::uint16_t>();
    header.blocks = in.one_in(4) ? in.number<std::uint16_t>() : std::uint16_t{0};
    header.flags = in.one_in(4) ? in.number<std::uint16_t>() : std::uint16_t{0};
    header.sequence = in.number<std::uint32_t>();
    header.status = in.next();
    ring_view ring(memory.get());
    std::vector<std::byte> rest(in.rest().size());
    if (!rest.empty())
        std::memcpy(rest.data(), in.rest().data(), rest.size());
    if (in.next() % 4 != 0) // most of the time, the length is right
        header.bytes = static_cast<std::uint32_t>(std::min<std::size_t>(rest.size(), most_inline_bytes));
    std::uint64_t const written = sizeof header + rest.size();
    ring.copy_in(position, &header, sizeof header);
    ring.copy_in(position + sizeof header, rest.data(), std::min(rest.size(), ring_bytes / 2));
    wire_header seen;
    ring.copy_out(position, &seen, sizeof seen);
    fuzz::require(std::memcmp(&seen, &header, sizeof seen) == 0, "what was written into the ring is not read again");
    if (!plausible(seen, written))
        return 0;
    fuzz::require(seen.bytes <= most_inline_bytes && seen.bytes + sizeof seen <= written, "a header that exceeds what there is");
    watched.store(true, std::memory_order_relaxed);
    try {
        // Descriptors that a child might send: none of them is a sealed file of the right size.
        std::vector<unique_descriptor> descriptors(seen.blocks);
        process_message m;
        read_message(ring, position, seen, descriptors, m);
        fuzz::require(m.bytes.size() == seen.bytes, "a message of another size than its header says");
        decode_something(m, which);
    } catch (std::exception const&) { // refused
    }
    watched.store(false, std::memory_order_relaxed);
    return 0;
}
