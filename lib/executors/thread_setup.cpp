// SPDX-License-Identifier: Apache-2.0
#include "executors/thread_setup.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <pthread.h>

namespace aya::inline v1::detail {

namespace {

constinit thread_local bool blocking_thread = false;

constexpr std::size_t longest_name = 10; // the kernel keeps 15 bytes, of which "-4095" takes five

void rename_thread(std::string const& runtime, char const* separator, std::size_t number) noexcept {
    try {
        std::array<char, 16> name{}; // what the kernel has room for
        fmt::format_to_n(name.data(), name.size() - 1, "{}{}{}", runtime, separator, number);
        pthread_setname_np(pthread_self(), name.data());
    } catch (...) {
        // It keeps the name of who started it.
    }
}

// "0-3,8"
std::string list_of(cpu_set_t const& cpus) {
    std::string text;
    for (std::size_t first = 0; first < CPU_SETSIZE; ++first) {
        if (!CPU_ISSET(first, &cpus))
            continue;
        std::size_t last = first;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &cpus))
            ++last;
        text += fmt::format("{}{}", text.empty() ? "" : ",", first);
        if (last != first)
            text += fmt::format("-{}", last);
        first = last;
    }
    return text;
}

void require_allowed(std::vector<std::size_t> const& wanted, cpu_set_t const& allowed) {
    for (std::size_t const cpu : wanted)
        if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed))
            throw std::invalid_argument(fmt::format(
                "aya::runtime_options::affinity: CPU {} is not among those that this thread may use: {}", cpu, list_of(allowed)));
}

} // namespace

thread_setup::thread_setup(runtime_options const& options, std::shared_ptr<report_sink> reports)
    : name_(options.name), on_start_(options.on_thread_start), on_stop_(options.on_thread_stop), affinity_(options.affinity),
      reports_(std::move(reports)) {
    if (name_.empty() || name_.size() > longest_name)
        throw std::invalid_argument(fmt::format("aya::runtime_options::name: \"{}\" has {} bytes; 1 to {} are possible, since the "
                                                "names of threads are short",
                                                name_, name_.size(), longest_name));
    if (name_.find('\0') != std::string::npos)
        throw std::invalid_argument("aya::runtime_options::name: a zero byte would end the names of the threads");
    if (affinity_.empty())
        return;
    if (options.scheduler == scheduler_kind::event_loop)
        throw std::invalid_argument("aya::runtime_options::affinity: an event loop runs on its caller's thread; pin that one");
    if (sched_getaffinity(0, sizeof makers_cpus_, &makers_cpus_) != 0)
        throw std::system_error(errno, std::generic_category(), "aya::runtime_options::affinity: sched_getaffinity");
    require_allowed(affinity_, makers_cpus_);
}

void thread_setup::worker_starts(std::size_t index) const noexcept {
    rename_thread(name_, "-", index);
    pin(index);
    call(on_start_, index, "on_thread_start failed");
}

void thread_setup::worker_stops(std::size_t index) const noexcept { call(on_stop_, index, "on_thread_stop failed"); }

void thread_setup::blocking_thread_starts(std::size_t number) const noexcept {
    name_blocking_thread(name_, number);
    unpin();
}

void thread_setup::name_blocking_thread(std::string const& runtime, std::size_t number) noexcept {
    blocking_thread = true;
    rename_thread(runtime, "-b", number);
}

bool thread_setup::is_blocking_thread() noexcept { return blocking_thread; }

void thread_setup::pin(std::size_t index) const noexcept {
    if (affinity_.empty())
        return;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(affinity_[index % affinity_.size()], &only);
    // The mask that it was checked against may have changed since.
    if (int const error = pthread_setaffinity_np(pthread_self(), sizeof only, &only); error != 0)
        reports_->report({"A worker cannot be pinned to its CPU", {},
                          std::make_exception_ptr(std::system_error(error, std::generic_category()))});
}

void thread_setup::unpin() const noexcept {
    if (pins())
        pthread_setaffinity_np(pthread_self(), sizeof makers_cpus_, &makers_cpus_); // refused: the kernel knows better
}

void thread_setup::call(hook const& f, std::size_t index, char const* failure) const noexcept {
    if (f == nullptr)
        return;
    try {
        f(index);
    } catch (...) {
        reports_->report({failure, {}, std::current_exception()});
    }
}

} // namespace aya::inline v1::detail
