// SPDX-License-Identifier: Apache-2.0
// A double-ended queue in one block that grows and is then reused: std::deque would go to the global heap every few items for ever.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

template <class T>
class ring_buffer {
    static_assert(std::is_nothrow_move_constructible_v<T>, "an item must be nothrow move constructible, so that none is lost half way");

public:
    ring_buffer() = default;
    ring_buffer(ring_buffer const&) = delete;
    ring_buffer& operator=(ring_buffer const&) = delete;
    ~ring_buffer() {
        while (size_ != 0)
            pop_front();
        std::allocator<T>().deallocate(slots_, capacity_);
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] T& front() noexcept { return slots_[first_]; }

    void push_back(T&& value) {
        reserve_one();
        std::construct_at(&slots_[(first_ + size_) & (capacity_ - 1)], std::move(value));
        ++size_;
    }
    void push_front(T&& value) {
        reserve_one();
        first_ = (first_ - 1) & (capacity_ - 1);
        std::construct_at(&slots_[first_], std::move(value));
        ++size_;
    }
    void pop_front() noexcept {
        std::destroy_at(&slots_[first_]);
        first_ = (first_ + 1) & (capacity_ - 1);
        --size_;
    }
    void swap(ring_buffer& other) noexcept {
        std::swap(slots_, other.slots_);
        std::swap(capacity_, other.capacity_);
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

private:
    void reserve_one() {
        if (size_ < capacity_) [[likely]]
            return;
        std::size_t const bigger = capacity_ == 0 ? 8 : capacity_ * 2; // a power of two, for the masks above
        T* const slots = std::allocator<T>().allocate(bigger);
        for (std::size_t i = 0; i < size_; ++i) {
            T& old = slots_[(first_ + i) & (capacity_ - 1)];
            std::construct_at(&slots[i], std::move(old));
            std::destroy_at(&old);
        }
        std::allocator<T>().deallocate(slots_, capacity_);
        slots_ = slots;
        capacity_ = bigger;
        first_ = 0;
    }

    T* slots_ = nullptr;
    std::size_t capacity_ = 0;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

} // namespace aya::inline v1::detail
