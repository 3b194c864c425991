// SPDX-License-Identifier: Apache-2.0
// Where a result waits for whoever takes it.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

/// Room for one T, a reference included. Whoever takes from it knows that there is one.
template <class T>
class slot {
public:
    slot() noexcept {}
    ~slot() {
        if (full_)
            std::destroy_at(std::addressof(value_));
    }
    slot(slot const&) = delete;
    slot& operator=(slot const&) = delete;

    template <class... Arguments>
    void emplace(Arguments&&... arguments) {
        std::construct_at(std::addressof(value_), std::forward<Arguments>(arguments)...);
        full_ = true;
    }
    [[nodiscard]] T take() { return std::move(value_); }
    [[nodiscard]] T const& get() const noexcept { return value_; }

private:
    union {
        std::remove_const_t<T> value_;
    };
    bool full_ = false;
};

// Nothing to destroy, so nobody needs to know whether there is one.
template <class T>
    requires(std::is_trivially_destructible_v<T> && !std::is_reference_v<T>)
class slot<T> {
public:
    slot() noexcept {}
    slot(slot const&) = delete;
    slot& operator=(slot const&) = delete;

    template <class... Arguments>
    void emplace(Arguments&&... arguments) {
        std::construct_at(std::addressof(value_), std::forward<Arguments>(arguments)...);
    }
    [[nodiscard]] T take() { return std::move(value_); }
    [[nodiscard]] T const& get() const noexcept { return value_; }

private:
    union {
        std::remove_const_t<T> value_;
    };
};

template <class T>
class slot<T&> {
public:
    void emplace(T& value) noexcept { value_ = std::addressof(value); }
    [[nodiscard]] T& take() noexcept { return *value_; }
    [[nodiscard]] T& get() const noexcept { return *value_; }

private:
    T* value_ = nullptr;
};

template <>
class slot<void> {
public:
    void emplace() noexcept {}
    void take() noexcept {}
    void get() const noexcept {}
};

} // namespace aya::inline v1::detail
