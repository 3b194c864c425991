// SPDX-License-Identifier: Apache-2.0
#include <aya/io/signals.hpp>

#include "executors/runtime_core.hpp"
#include "io/driver.hpp"

#include <aya/call_soon.hpp>
#include <aya/errors.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace aya::inline v1::detail {

namespace {

/// What the process did with a signal before a runtime handled it: Asio leaves the default behind, and keyboard_interrupt needs its handler.
class kept_disposition {
public:
    explicit kept_disposition(int number) : number_(number) {
        std::lock_guard const guard(mutex());
        auto& [users, before] = all()[number];
        if (users++ == 0)
            ::sigaction(number, nullptr, &before);
    }
    ~kept_disposition() { restore(); }
    kept_disposition(kept_disposition const&) = delete;
    kept_disposition& operator=(kept_disposition const&) = delete;

    /// The last one's. After Asio has let go of it.
    void restore() noexcept {
        if (std::exchange(restored_, true))
            return;
        std::lock_guard const guard(mutex());
        auto const at = all().find(number_);
        if (--at->second.users != 0)
            return;
        struct sigaction now{};
        if (::sigaction(number_, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) // nobody else has taken it
            ::sigaction(number_, &at->second.before, nullptr);
        all().erase(at);
    }

private:
    struct kept {
        int users = 0;
        struct sigaction before {};
    };
    static std::mutex& mutex() {
        static std::mutex m;
        return m;
    }
    static std::map<int, kept>& all() {
        static std::map<int, kept> a;
        return a;
    }

    int number_;
    bool restored_ = false;
};

} // namespace

// One for each runtime that handles signals; goes with its driver, before the context.
class signal_table {
public:
    explicit signal_table(asio_driver& d) noexcept : driver_(&d) {}

    void add(int number, std::shared_ptr<io::detail::signal_callback> callback) {
        std::lock_guard const guard(mutex_);
        auto const [at, is_new] = entries_.try_emplace(number);
        if (!is_new) {
            at->second->callback = std::move(callback);
            return;
        }
        try {
            at->second = std::make_shared<entry>(driver_->context(), number);
            at->second->callback = std::move(callback);
            watch(at->second);
        } catch (...) {
            entries_.erase(at);
            throw;
        }
    }

    bool remove(int number) {
        std::shared_ptr<entry> gone; // and its callback, outside the lock
        std::lock_guard const guard(mutex_);
        auto const at = entries_.find(number);
        if (at == entries_.end())
            return false;
        gone = std::move(at->second);
        entries_.erase(at);
        gone->end();
        return true;
    }

private:
    struct entry {
        entry(boost::asio::io_context& where, int n) : number(n), disposition(n), watched(where) {
            boost::system::error_code failed;
            watched.add(n, failed);
            if (failed == boost::asio::error::invalid_argument) // the C library's own
                throw std::invalid_argument("aya::io::add_signal_handler: number: " + std::to_string(n) + " cannot be handled");
            if (failed)
                throw std::system_error(failed.value(), std::generic_category(), "aya::io::add_signal_handler");
        }
        ~entry() { end(); }
        entry(entry const&) = delete;
        entry& operator=(entry const&) = delete;
        void end() {
            boost::system::error_code none;
            watched.clear(none);
            disposition.restore();
        }
        int const number;
        kept_disposition disposition;
        boost::asio::signal_set watched;
        std::shared_ptr<io::detail::signal_callback> callback;
    };

    // The handler is kept by the set, so it must not keep the set.
    void watch(std::shared_ptr<entry> const& e) {
        e->watched.async_wait([this, weak = std::weak_ptr(e)](boost::system::error_code const& failed, int) {
            std::shared_ptr<entry> const still = weak.lock();
            if (!failed && still != nullptr)
                came(still);
        });
    }

    // On the runtime's context.
    void came(std::shared_ptr<entry> const& e) {
        {
            std::lock_guard const guard(mutex_);
            if (!is_there(e))
                return;
            watch(e);
        }
        (void)call_soon_in(driver_->owner().tasks(), [this, weak = std::weak_ptr(e)] { call(weak.lock()); });
    }

    // As a callback of the runtime's. Nothing, when the handler was removed meanwhile: what it refers to may be gone.
    void call(std::shared_ptr<entry> const& e) {
        std::shared_ptr<io::detail::signal_callback> callback;
        {
            std::lock_guard const guard(mutex_);
            if (!is_there(e))
                return;
            callback = e->callback;
        }
        callback->call();
    }

    // With the mutex held.
    bool is_there(std::shared_ptr<entry> const& e) const {
        if (e == nullptr)
            return false;
        auto const at = entries_.find(e->number);
        return at != entries_.end() && at->second == e;
    }

    asio_driver* driver_;
    std::mutex mutex_;
    std::map<int, std::shared_ptr<entry>> entries_;
};

void signal_table_deleter::operator()(signal_table* t) const noexcept { delete t; }

signal_table& asio_driver::signals() {
    std::lock_guard const guard(signals_mutex_);
    if (signals_ == nullptr)
        signals_.reset(new signal_table(*this));
    return *signals_;
}

} // namespace aya::inline v1::detail

namespace aya::inline v1::io {

namespace {

aya::detail::signal_table& table(char const* what) {
    return aya::detail::asio_driver::of(aya::detail::this_scheduler(what).owner()).signals();
}

} // namespace

namespace detail {

void add_signal_handler(int number, std::shared_ptr<signal_callback> callback) {
    if (number < 1 || number > SIGRTMAX)
        throw std::invalid_argument("aya::io::add_signal_handler: number: " + std::to_string(number) + " is no signal's; they go from 1 to " +
                                    std::to_string(SIGRTMAX));
    if (number == SIGKILL || number == SIGSTOP)
        aya::detail::throw_invalid_state("aya::io::add_signal_handler: SIGKILL and SIGSTOP cannot be handled");
    table("aya::io::add_signal_handler").add(number, std::move(callback));
}

} // namespace detail

bool remove_signal_handler(int number) { return table("aya::io::remove_signal_handler").remove(number); }

} // namespace aya::inline v1::io
