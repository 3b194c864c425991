// SPDX-License-Identifier: Apache-2.0
#include "process/wire.hpp"

#include <iterator>
#include <utility>

namespace aya::inline v1::detail {

void write_message(ring_view ring, std::uint64_t position, wire_header header, process_message const& m) noexcept {
    header.bytes = static_cast<std::uint32_t>(m.bytes.size());
    header.blocks = static_cast<std::uint16_t>(m.blocks.size());
    header.flags = m.bytes_in_block ? flag_bytes_in_block : std::uint16_t{0};
    ring.copy_in(position, &header, sizeof header);
    position += sizeof header;
    for (shared_block const& b : m.blocks) {
        std::uint64_t const size = b.size();
        ring.copy_in(position, &size, sizeof size);
        position += sizeof size;
    }
    ring.copy_in(position, m.bytes.data(), m.bytes.size());
}

bool plausible(wire_header const& h, std::uint64_t available) noexcept {
    if (h.bytes > most_inline_bytes || h.blocks > most_descriptors || (h.flags & ~flag_bytes_in_block) != 0)
        return false;
    if ((h.flags & flag_bytes_in_block) != 0 && (h.blocks == 0 || h.bytes != 0))
        return false;
    return sizeof h + h.blocks * sizeof(std::uint64_t) + h.bytes <= available;
}

void read_message(ring_view ring, std::uint64_t position, wire_header const& h, std::vector<unique_descriptor>& descriptors,
                  process_message& into) {
    position += sizeof h;
    auto const last = descriptors.begin() + h.blocks;
    std::vector<unique_descriptor> own(std::make_move_iterator(descriptors.begin()), std::make_move_iterator(last));
    descriptors.erase(descriptors.begin(), last);
    into.bytes_in_block = (h.flags & flag_bytes_in_block) != 0;
    into.blocks.clear();
    into.blocks.reserve(h.blocks);
    for (unique_descriptor& d : own) {
        std::uint64_t size = 0;
        ring.copy_out(position, &size, sizeof size);
        position += sizeof size;
        into.blocks.push_back(shared_block::adopt(d.release(), static_cast<std::size_t>(size)));
    }
    into.bytes.resize(h.bytes);
    ring.copy_out(position, into.bytes.data(), h.bytes);
}

} // namespace aya::inline v1::detail
