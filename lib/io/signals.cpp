// SPDX-License-Identifier: Apache-2.0
#include <aya/io/signals.hpp>

#include "executors/runtime_core.hpp"
#include "io/driver.hpp"

#include <aya/call_soon.hpp>
#include <aya/errors.hpp>

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

namespace aya::inline v1::detail {

// One for each runtime that handles signals; goes with its driver, before the context.
class signal_table {
public:
    explicit signal_table(asio_driver& d) noexcept : driver_(&d) {}

    void add(int number, std::shared_ptr<io::detail::signal_callback> callback) {
        std::lock_guard const guard(mutex_);
        auto const [at, is_new] = entries_.try_emplace(number);
        if (is_new) {
            try {
                auto watched = std::make_shared<boost::asio::signal_set>(driver_->context());
                watched->add(number);
                at->second.watched = std::move(watched);
                watch(number, at->second.watched);
            } catch (...) {
                entries_.erase(at);
                throw;
            }
        }
        at->second.callback = std::move(callback);
    }

    bool remove(int number) {
        std::lock_guard const guard(mutex_);
        auto const at = entries_.find(number);
        if (at == entries_.end())
            return false;
        boost::system::error_code none;
        at->second.watched->clear(none);
        entries_.erase(at);
        return true;
    }

private:
    struct entry {
        std::shared_ptr<boost::asio::signal_set> watched;
        std::shared_ptr<io::detail::signal_callback> callback;
    };

    // The handler is kept by the set, so it must not keep the set.
    void watch(int number, std::shared_ptr<boost::asio::signal_set> const& watched) {
        watched->async_wait([this, number, set = std::weak_ptr(watched)](boost::system::error_code const& failed, int) {
            std::shared_ptr<boost::asio::signal_set> const still = set.lock();
            if (!failed && still != nullptr)
                came(number, still);
        });
    }

    // On the runtime's context.
    void came(int number, std::shared_ptr<boost::asio::signal_set> const& watched) {
        std::shared_ptr<io::detail::signal_callback> callback;
        {
            std::lock_guard const guard(mutex_);
            auto const at = entries_.find(number);
            if (at == entries_.end() || at->second.watched != watched)
                return;
            callback = at->second.callback;
            watch(number, watched);
        }
        (void)call_soon_in(driver_->owner().tasks(), [callback] { callback->call(); });
    }

    asio_driver* driver_;
    std::mutex mutex_;
    std::map<int, entry> entries_;
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
