// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/process_function.hpp>

#include <cstdint>
#include <cstring>
#include <mutex>

#include <dlfcn.h>

namespace aya::inline v1::detail {

namespace {

struct list {
    std::mutex mutex;
    process_function* first = nullptr;
};

// Never destroyed: functions register before main() and leave after it.
list& functions() {
    static list* const all = new list;
    return *all;
}

// FNV-1a, 64 bits.
std::uint64_t hash(std::string_view text, std::uint64_t h = 0xcbf29ce484222325) noexcept {
    for (char const c : text)
        h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return h;
}

// Where a function lies in its program or library, wherever that was loaded.
std::uint64_t place_of(void (*target)()) noexcept {
    auto const address = reinterpret_cast<std::uintptr_t>(target);
    Dl_info info{};
    if (::dladdr(reinterpret_cast<void*>(address), &info) == 0)
        return 0;
    return address - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
}

} // namespace

process_function::process_function(std::string_view signature, invoke_type how, void (*target)()) noexcept
    : signature_(signature), invoke_(how) {
    std::uint64_t const place = place_of(target);
    char bytes[sizeof place];
    std::memcpy(bytes, &place, sizeof place);
    id_ = hash({bytes, sizeof bytes}, hash(signature));
    list& all = functions();
    std::lock_guard const guard(all.mutex);
    next_ = all.first; // the same function may be here already, from another library: either will do
    all.first = this;
}

process_function::~process_function() {
    list& all = functions();
    std::lock_guard const guard(all.mutex);
    for (process_function** place = &all.first; *place != nullptr; place = &(*place)->next_) {
        if (*place == this) {
            *place = next_;
            return;
        }
    }
}

process_function const* process_function::find(std::uint64_t id) noexcept {
    list& all = functions();
    std::lock_guard const guard(all.mutex);
    for (process_function const* f = all.first; f != nullptr; f = f->next_)
        if (f->id_ == id)
            return f;
    return nullptr;
}

// "... signature_of() [with T = int (*)(int); T F = add; ...]": the compiler's text from "F = " on.
std::string_view process_function::name() const noexcept {
    std::string_view text = signature_;
    std::size_t const at = text.rfind("F = ");
    if (at == std::string_view::npos)
        return text;
    text = text.substr(at + 4);
    if (text.starts_with('&'))
        text.remove_prefix(1);
    text = text.substr(0, text.find(';'));
    return text.substr(0, text.find_last_not_of(']') + 1);
}

} // namespace aya::inline v1::detail
