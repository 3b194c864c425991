// SPDX-License-Identifier: Apache-2.0
// Where Asio leaves what cancels an operation. Does what boost::asio::cancellation_signal does, which takes memory from the heap for
// each operation that is started outside of a handler.
#pragma once

#include <aya/detail/frame_memory.hpp>

#include <boost/asio/cancellation_type.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace aya::inline v1::io::detail {

class cancellation_target {
public:
    /// A CancellationSlot, as Asio's documentation has it.
    class slot {
    public:
        explicit slot(cancellation_target& t) noexcept : target_(&t) {}

        [[nodiscard]] bool is_connected() const noexcept { return true; }
        [[nodiscard]] bool has_handler() const noexcept { return target_->held_ != nullptr; }
        template <class Handler>
        std::decay_t<Handler>& assign(Handler&& h) {
            return emplace<std::decay_t<Handler>>(std::forward<Handler>(h));
        }
        template <class Handler, class... Arguments>
        Handler& emplace(Arguments&&... arguments) {
            return target_->emplace<Handler>(std::forward<Arguments>(arguments)...);
        }
        void clear() noexcept { target_->clear(); }
        bool operator==(slot const&) const noexcept = default;

    private:
        cancellation_target* target_;
    };

    cancellation_target() noexcept {} // the room stays as it is
    ~cancellation_target() { clear(); }
    cancellation_target(cancellation_target const&) = delete;
    cancellation_target& operator=(cancellation_target const&) = delete;

    void emit(boost::asio::cancellation_type type) {
        if (held_ != nullptr)
            call_(held_, type);
    }

private:
    template <class Handler, class... Arguments>
    Handler& emplace(Arguments&&... arguments) {
        static_assert(alignof(Handler) <= alignof(std::max_align_t));
        clear();
        constexpr bool fits = sizeof(Handler) <= sizeof room_;
        void* const place = fits ? static_cast<void*>(room_) : aya::detail::allocate_frame(sizeof(Handler));
        Handler* made = nullptr;
        try {
            made = std::construct_at(static_cast<Handler*>(place), std::forward<Arguments>(arguments)...);
        } catch (...) {
            if constexpr (!fits)
                aya::detail::release_frame(place, sizeof(Handler));
            throw;
        }
        held_ = made;
        call_ = [](void* h, boost::asio::cancellation_type type) { (*static_cast<Handler*>(h))(type); };
        destroy_ = [](void* h) noexcept {
            std::destroy_at(static_cast<Handler*>(h));
            if constexpr (!fits)
                aya::detail::release_frame(h, sizeof(Handler));
        };
        return *made;
    }

    void clear() noexcept {
        if (void* const held = std::exchange(held_, nullptr))
            destroy_(held);
    }

    void* held_ = nullptr;
    void (*call_)(void*, boost::asio::cancellation_type) = nullptr;
    void (*destroy_)(void*) noexcept = nullptr;
    alignas(std::max_align_t) std::byte room_[48]; // what Asio's sockets and timers need has half of it
};

} // namespace aya::inline v1::io::detail
