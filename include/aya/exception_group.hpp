// SPDX-License-Identifier: Apache-2.0
// exception_group: several exceptions at once, as a task group throws them.
#pragma once

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace aya::inline v1 {

/// Several exceptions that belong together. Mirrors ExceptionGroup; split() and handle() take the place of `except*`.
class exception_group : public std::runtime_error {
public:
    /// Throws std::invalid_argument when `exceptions` is empty.
    exception_group(std::string const& message, std::vector<std::exception_ptr> exceptions);

    [[nodiscard]] std::vector<std::exception_ptr> const& exceptions() const noexcept { return exceptions_; }
    /// The text without the count that what() adds.
    [[nodiscard]] std::string const& message() const noexcept { return message_; }

    /// Calls `f(E const&)` for every exception of type E, nested groups included, and throws what is left, as a group of the same shape.
    /// What `f` throws stops nothing: it is thrown in the end, in a group with what is left.
    template <class E, class F>
    void handle(F&& f) const {
        std::vector<std::exception_ptr> raised;
        auto guarded = [&](E const& e) {
            try {
                f(e);
            } catch (...) {
                raised.push_back(std::current_exception());
            }
        };
        std::exception_ptr const rest = visit<E>(guarded);
        if (rest && raised.empty())
            std::rethrow_exception(rest);
        if (rest)
            raised.push_back(rest);
        if (!raised.empty())
            throw exception_group(message_, std::move(raised));
    }

    struct parts;
    /// Two groups of the same shape, null where they would be empty: the exceptions of type E, and the others.
    template <class E>
    [[nodiscard]] parts split() const;

private:
    // What is left after `f` has seen every E; null when nothing is.
    template <class E, class F>
    std::exception_ptr visit(F& f) const {
        std::vector<std::exception_ptr> rest;
        for (std::exception_ptr const& e : exceptions_) {
            try {
                std::rethrow_exception(e);
            } catch (exception_group const& nested) { // before E, which may be a base of groups: their members count, not they
                if (std::exception_ptr const left = nested.visit<E>(f))
                    rest.push_back(left);
            } catch (E const& match) {
                f(match);
            } catch (...) {
                rest.push_back(e);
            }
        }
        return rest.empty() ? nullptr : std::make_exception_ptr(exception_group(message_, std::move(rest)));
    }

    std::string message_;
    std::vector<std::exception_ptr> exceptions_;
};

struct exception_group::parts {
    std::exception_ptr matching;
    std::exception_ptr rest;
};

template <class E>
exception_group::parts exception_group::split() const {
    std::vector<std::exception_ptr> matching;
    std::vector<std::exception_ptr> rest;
    for (std::exception_ptr const& e : exceptions_) {
        try {
            std::rethrow_exception(e);
        } catch (exception_group const& nested) { // before E, as in visit()
            parts const inner = nested.split<E>();
            if (inner.matching)
                matching.push_back(inner.matching);
            if (inner.rest)
                rest.push_back(inner.rest);
        } catch (E const&) {
            matching.push_back(e);
        } catch (...) {
            rest.push_back(e);
        }
    }
    auto const group = [&](std::vector<std::exception_ptr>& some) {
        return some.empty() ? nullptr : std::make_exception_ptr(exception_group(message_, std::move(some)));
    };
    return {group(matching), group(rest)};
}

} // namespace aya::inline v1
