// SPDX-License-Identifier: Apache-2.0
// The order in which the stored items of a queue leave it. A storage is used under the queue's lock. What throws in it (memory, or a
// user's comparison) throws before anything is changed: no item is lost.
#pragma once

#include <aya/detail/ring_buffer.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace aya::inline v1::detail {

template <class Storage, class T>
concept item_storage = requires(Storage& s, Storage const& c, T&& item) {
    { c.size() } noexcept -> std::same_as<std::size_t>;
    { c.empty() } noexcept -> std::same_as<bool>;
    s.push(std::move(item));      // leaves the item alone when it throws
    s.push_again(std::move(item)); // an item that had been taken and was not used
    { s.take() } -> std::same_as<T>;
    requires requires(typename Storage::contents& all) {
        { all.size() } noexcept -> std::same_as<std::size_t>;
        { s.swap(all) } noexcept;
    };
};

template <class T>
class fifo_storage : public ring_buffer<T> {
public:
    using contents = ring_buffer<T>;

    void push(T&& item) { this->push_back(std::move(item)); }
    void push_again(T&& item) { this->push_front(std::move(item)); }
    T take() noexcept {
        T item = std::move(this->front());
        this->pop_front();
        return item;
    }
};

template <class T>
class lifo_storage : public ring_buffer<T> {
public:
    using contents = ring_buffer<T>;

    void push(T&& item) { this->push_front(std::move(item)); }
    void push_again(T&& item) { this->push_front(std::move(item)); }
    T take() noexcept {
        T item = std::move(this->front());
        this->pop_front();
        return item;
    }
};

/// A binary heap whose first item is the one that no other goes before. It compares first and moves then, so that a comparison that throws
/// leaves it as it was; std::push_heap does not promise that. Needs no assignment of T.
template <class T, class Before>
class priority_storage {
public:
    using contents = std::vector<T>;

    explicit priority_storage(Before before) : before_(std::move(before)) {}

    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] bool empty() const noexcept { return items_.empty(); }

    void push(T&& item) {
        if (items_.size() == items_.capacity())
            items_.reserve(items_.empty() ? 8 : 2 * items_.size());
        std::size_t const end = items_.size();
        std::size_t place = end;
        while (place != 0 && before_(std::as_const(item), std::as_const(items_[parent(place)])))
            place = parent(place);
        if (place == end) {
            items_.push_back(std::move(item));
            return;
        }
        items_.push_back(std::move(items_[parent(end)]));
        for (std::size_t hole = parent(end); hole != place; hole = parent(hole))
            replace(hole, items_[parent(hole)]);
        replace(place, item);
    }
    void push_again(T&& item) { push(std::move(item)); }

    T take() {
        std::size_t const last = items_.size() - 1;
        std::size_t const place = place_of_last(last);
        T first = std::move(items_.front());
        // The items on the path from the top to that place move up by one.
        std::size_t hole = 0;
        for (auto level = std::bit_width(place + 1) - 1; level > 0; --level) {
            std::size_t const below = ((place + 1) >> (level - 1)) - 1;
            replace(hole, items_[below]);
            hole = below;
        }
        if (place != last)
            replace(place, items_[last]);
        items_.pop_back();
        return first;
    }

    void swap(contents& all) noexcept { items_.swap(all); }

private:
    static std::size_t parent(std::size_t i) noexcept { return (i - 1) / 2; }
    void replace(std::size_t i, T& value) noexcept {
        std::destroy_at(&items_[i]);
        std::construct_at(&items_[i], std::move(value));
    }
    // Where the last item belongs once the first has left.
    std::size_t place_of_last(std::size_t last) {
        std::size_t place = 0;
        for (;;) {
            std::size_t child = 2 * place + 1;
            if (child >= last)
                return place;
            if (child + 1 < last && before_(std::as_const(items_[child + 1]), std::as_const(items_[child])))
                ++child;
            if (!before_(std::as_const(items_[child]), std::as_const(items_[last])))
                return place;
            place = child;
        }
    }

    std::vector<T> items_;
    [[no_unique_address]] Before before_;
};

} // namespace aya::inline v1::detail
