// SPDX-License-Identifier: Apache-2.0
#include "platform/needed_library.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <link.h>

namespace aya::inline v1::detail {

namespace {

struct question {
    std::string_view name; // the beginning of the library's
    bool others = false;    // somebody else needs it
    bool we_are_one = false; // this code is in a library of its own
};

bool holds(dl_phdr_info const& object, std::uintptr_t address) noexcept {
    return std::any_of(object.dlpi_phdr, object.dlpi_phdr + object.dlpi_phnum, [&](ElfW(Phdr) const& p) {
        return p.p_type == PT_LOAD && address - object.dlpi_addr - p.p_vaddr < p.p_memsz; // unsigned: below it is far above
    });
}

bool needs(dl_phdr_info const& object, std::string_view library) noexcept {
    for (std::size_t i = 0; i < object.dlpi_phnum; ++i) {
        ElfW(Phdr) const& part = object.dlpi_phdr[i];
        if (part.p_type != PT_DYNAMIC)
            continue;
        auto const* const first = reinterpret_cast<ElfW(Dyn) const*>(object.dlpi_addr + part.p_vaddr);
        char const* names = nullptr;
        for (auto const* entry = first; entry->d_tag != DT_NULL; ++entry)
            if (entry->d_tag == DT_STRTAB) // glibc has added the address of most objects to it, of the kernel's it has not
                names = reinterpret_cast<char const*>(entry->d_un.d_ptr < object.dlpi_addr ? object.dlpi_addr + entry->d_un.d_ptr : entry->d_un.d_ptr);
        for (auto const* entry = first; names != nullptr && entry->d_tag != DT_NULL; ++entry)
            if (entry->d_tag == DT_NEEDED && std::string_view(names + entry->d_un.d_val).starts_with(library))
                return true;
    }
    return false;
}

int look(dl_phdr_info* object, std::size_t, void* data) noexcept {
    auto& asked = *static_cast<question*>(data);
    if (holds(*object, reinterpret_cast<std::uintptr_t>(&look))) {
        std::string_view const path = object->dlpi_name;
        asked.we_are_one = path.substr(path.rfind('/') + 1).starts_with("libaya.so");
    } else if (needs(*object, asked.name)) {
        asked.others = true;
    }
    return 0;
}

} // namespace

bool others_need(std::string_view library) noexcept {
    question asked{library};
    ::dl_iterate_phdr(&look, &asked);
    return asked.others || !asked.we_are_one;
}

} // namespace aya::inline v1::detail
