// SPDX-License-Identifier: Apache-2.0
#include "inspect/tracer.hpp"

#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"
#include "executors/thread_setup.hpp"
#include "inspect/json.hpp"

#include <aya/errors.hpp>
#include <aya/trace.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <tuple>

#include <pthread.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

std::uint64_t next_tracer() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1; // only uniqueness is needed
}

constexpr std::size_t longest_name = std::tuple_size_v<decltype(trace_event::name)> - 1;

// What there is room for, without a part of a character of UTF-8 at the end.
std::string_view cut(std::string_view name) noexcept {
    std::size_t length = std::min(name.size(), longest_name);
    if (length == name.size())
        return name;
    while (length != 0 && (static_cast<unsigned char>(name[length]) & 0xc0) == 0x80)
        --length;
    return name.substr(0, length == 0 ? longest_name : length); // 0: it is no UTF-8
}

void copy_name(std::array<char, 36>& to, std::string_view from) noexcept {
    from = cut(from);
    std::memcpy(to.data(), from.data(), from.size());
}

std::int64_t nanoseconds(tracer::time t) noexcept { return t.time_since_epoch().count(); }

} // namespace

tracer::tracer() : id_(next_tracer()) {}

void tracer::start(std::size_t events_per_thread) {
    std::lock_guard const guard(mutex_);
    // Relaxed, here and where they are read: whoever still writes an event of before leaves one that text() drops, or a ring of another size.
    capacity_.store(std::max<std::size_t>(events_per_thread, 1), std::memory_order_relaxed);
    lost_.store(0, std::memory_order_relaxed);
    for (auto const& r : rings_) {
        std::vector<trace_event> none;
        std::lock_guard const hold(r->mutex);
        r->events.swap(none); // freed after the lock is
        r->written = 0;
    }
    begin_.store(nanoseconds(std::chrono::steady_clock::now()), std::memory_order_relaxed);
    on_.store(true, std::memory_order_relaxed);
}

tracer::ring* tracer::mine(bool of_pool) noexcept {
    struct cache {
        std::uint64_t tracer;
        ring* mine;
    };
    thread_local cache last{0, nullptr};
    if (last.tracer == id_)
        return last.mine;
    auto const thread = static_cast<std::uint64_t>(::gettid());
    try {
        std::lock_guard const guard(mutex_);
        for (auto const& r : rings_) {
            if (r->thread == thread) {
                last = {id_, r.get()};
                return r.get();
            }
        }
        auto fresh = std::make_unique<ring>();
        char name[16] = {};
        ::pthread_getname_np(::pthread_self(), name, sizeof name);
        fresh->thread = thread;
        // oneTBB's threads have the name of the thread that happened to start them.
        bool const of_cpu_pool = of_pool && !thread_setup::is_blocking_thread();
        fresh->name = of_cpu_pool ? "cpu pool" : name;
        rings_.push_back(std::move(fresh));
        last = {id_, rings_.back().get()};
        return last.mine;
    } catch (std::bad_alloc const&) {
        return nullptr;
    }
}

void tracer::record(trace_event const& e) noexcept {
    if (!on())
        return;
    ring* const r = mine(e.what == trace_event::kind::job);
    if (r == nullptr || !make_room(*r)) {
        lost_.fetch_add(1, std::memory_order_relaxed); // a figure
        return;
    }
    std::lock_guard const guard(r->mutex);
    if (!r->events.empty()) // start() may have been faster
        r->events[static_cast<std::size_t>(r->written++ % r->events.size())] = e;
}

// Only the ring's own thread makes it larger, so nobody else does meanwhile.
bool tracer::make_room(ring& r) noexcept {
    {
        std::lock_guard const guard(r.mutex);
        if (!r.events.empty()) [[likely]]
            return true;
    }
    try {
        std::vector<trace_event> fresh(capacity_.load(std::memory_order_relaxed)); // as in start(); not with the lock held
        std::lock_guard const guard(r.mutex);
        r.events.swap(fresh);
        return true;
    } catch (...) {
        return false; // no memory
    }
}

void tracer::step(task_state const* task, time begin, time end) noexcept {
    trace_event e;
    e.begin = nanoseconds(begin);
    e.end = nanoseconds(end);
    e.what = task == nullptr ? trace_event::kind::callback : trace_event::kind::step;
    if (task != nullptr) {
        e.number = task->id();
        try {
            copy_name(e.name, task->name());
        } catch (std::bad_alloc const&) {
            // Without a name.
        }
    }
    record(e);
}

void tracer::steal(std::size_t tasks) noexcept {
    trace_event e;
    e.begin = e.end = nanoseconds(std::chrono::steady_clock::now());
    e.number = tasks;
    e.what = trace_event::kind::steal;
    record(e);
}

void tracer::park(time begin, time end) noexcept {
    trace_event e;
    e.begin = nanoseconds(begin);
    e.end = nanoseconds(end);
    e.what = trace_event::kind::park;
    record(e);
}

void tracer::job(std::string_view name, std::uint64_t task, time begin, time end) noexcept {
    trace_event e;
    e.begin = nanoseconds(begin);
    e.end = nanoseconds(end);
    e.number = task;
    e.what = trace_event::kind::job;
    copy_name(e.name, name);
    record(e);
}

void tracer::span(std::string_view name, std::uint64_t task, time begin, time end) noexcept {
    trace_event e;
    e.begin = nanoseconds(begin);
    e.end = nanoseconds(end);
    e.number = task;
    e.what = trace_event::kind::span;
    copy_name(e.name, name);
    record(e);
}

namespace {

void write_event(json_writer& out, trace_event const& e, std::int64_t origin, std::uint64_t process, std::uint64_t thread, std::uint64_t serial) {
    std::int64_t const begin = std::max<std::int64_t>(e.begin - origin, 0);
    std::int64_t const end = std::max(e.end - origin, begin);
    auto const head = [&](std::string_view phase, std::string_view name, std::string_view category, std::int64_t at) -> json_writer& {
        return out.begin_object().key("ph").string(phase).key("name").string(name).key("cat").string(category).key("ts").thousandths(static_cast<std::uint64_t>(at))
            .key("pid").number(process).key("tid").number(thread);
    };
    auto const slice = [&](std::string_view name, std::string_view category) {
        head("X", name, category, begin).key("dur").thousandths(static_cast<std::uint64_t>(end - begin));
        if (e.number != 0)
            out.key("args").begin_object().key("task").number(e.number).end_object();
        out.end_object();
    };
    std::string_view const name(e.name.data());
    switch (e.what) {
    case trace_event::kind::step:
        return slice(name, "step");
    case trace_event::kind::callback:
        return slice("callback", "step");
    case trace_event::kind::park:
        return slice("asleep", "park");
    case trace_event::kind::job:
        return slice(name, "job");
    case trace_event::kind::steal:
        head("i", "steal", "steal", begin).key("s").string("t").key("args").begin_object().key("stolen").number(e.number).end_object();
        out.end_object();
        return;
    case trace_event::kind::span:
        // A pair with an id of its own: spans of one task may overlap, and a span may end on another thread than it began on.
        head("b", name, "span", begin).key("id").number(serial).key("args").begin_object().key("task").number(e.number).end_object();
        out.end_object();
        head("e", name, "span", end).key("id").number(serial).end_object();
        return;
    }
}

} // namespace

std::string tracer::text() {
    auto const process = static_cast<std::uint64_t>(::getpid());
    json_writer out;
    out.begin_object().key("displayTimeUnit").string("ns").key("traceEvents").begin_array();
    std::uint64_t overwritten = lost_.load(std::memory_order_relaxed); // a figure
    std::uint64_t serial = 0;
    std::lock_guard const guard(mutex_);
    std::int64_t const origin = begin_.load(std::memory_order_relaxed); // start() has set it under the mutex
    for (auto const& r : rings_) {
        std::vector<trace_event> events;
        for (std::size_t room = 0;;) {
            events.reserve(room); // not with the ring's lock held
            std::lock_guard const hold(r->mutex);
            room = r->events.size();
            if (events.capacity() < room)
                continue;
            std::uint64_t const first = r->written > room ? r->written - room : 0;
            overwritten += first;
            for (std::uint64_t i = first; i < r->written; ++i)
                events.push_back(r->events[static_cast<std::size_t>(i % room)]);
            break;
        }
        // A thread that has done nothing since start().
        if (events.empty())
            continue;
        out.begin_object().key("ph").string("M").key("name").string("thread_name").key("pid").number(process).key("tid").number(r->thread);
        out.key("args").begin_object().key("name").string(r->name).end_object().end_object();
        for (trace_event const& e : events)
            if (e.end >= origin && (e.what != trace_event::kind::span || e.begin >= origin)) // no span of an earlier trace
                write_event(out, e, origin, process, r->thread, ++serial);
    }
    out.end_array().key("otherData").begin_object().key("events_lost").number(overwritten).end_object().end_object();
    return out.take();
}

// --- the runtime's side -------------------------------------------------------------------------------------------------

void runtime_core::start_trace(std::size_t events) {
    if (events > tracer::most_events)
        throw_invalid_argument("aya::start_trace: events must be at most 2^32 a thread");
    std::lock_guard const guard(trace_mutex_);
    if (trace_ != nullptr && trace_->on())
        return;
    if (trace_ == nullptr)
        trace_ = std::make_shared<tracer>(); // one for all traces: threads may still look at it when another one begins
    trace_->start(events);
    tracing_.store(trace_.get());
    scheduler_->watch(true);
}

void runtime_core::stop_trace() {
    std::lock_guard const guard(trace_mutex_);
    if (trace_ == nullptr)
        return;
    trace_->stop();
    tracing_.store(nullptr);
    scheduler_->watch(debug_ || measured_);
}

std::shared_ptr<tracer> runtime_core::shared_trace() {
    std::lock_guard const guard(trace_mutex_);
    return trace_ != nullptr && trace_->on() ? trace_ : nullptr;
}

std::string runtime_core::trace_text() {
    std::shared_ptr<tracer> t;
    {
        std::lock_guard const guard(trace_mutex_);
        t = trace_;
    }
    if (t == nullptr)
        throw invalid_state_error("aya::write_trace: no trace was recorded; start_trace() begins one");
    return t->text();
}

void runtime_core::trace_theft(std::size_t tasks) noexcept {
    if (tracer* const t = tracing())
        t->steal(tasks);
}

void runtime_core::trace_park(std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end) noexcept {
    if (tracer* const t = tracing())
        t->park(begin, end);
}

namespace {

void write_file(std::string const& path, std::string const& text) {
    std::FILE* const file = std::fopen(path.c_str(), "we");
    bool good = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    int error = errno;
    if (file != nullptr && std::fclose(file) != 0 && good) {
        good = false;
        error = errno;
    }
    if (!good)
        throw std::system_error(error, std::generic_category(), fmt::format("aya::write_trace: {}", path));
}

} // namespace

void runtime_core::write_trace_file() noexcept {
    if (trace_file_.empty())
        return;
    try {
        stop_trace();
        write_file(trace_file_, trace_text());
    } catch (...) {
        reports_->report({"The trace could not be written", {}, std::current_exception()});
    }
}

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

void start_trace(runtime& rt, std::size_t events) { detail::runtime_access::core(rt).start_trace(events); }
void stop_trace(runtime& rt) { detail::runtime_access::core(rt).stop_trace(); }
std::string trace_text(runtime& rt) { return detail::runtime_access::core(rt).trace_text(); }
void write_trace(runtime& rt, std::string const& file) { detail::write_file(file, trace_text(rt)); }

trace_span::trace_span(std::string_view name) {
    detail::thread_context const* const here = detail::this_thread();
    if (here == nullptr || !here->home->base().watched()) [[likely]]
        return;
    tracer_ = here->home->owner().shared_trace();
    if (tracer_ == nullptr)
        return;
    if (here->current)
        task_ = (*here->current).id();
    name = detail::cut(name);
    std::memcpy(name_, name.data(), name.size());
    begin_ = std::chrono::steady_clock::now();
}

void trace_span::end() noexcept { tracer_->span(name_, task_, begin_, std::chrono::steady_clock::now()); }

} // namespace aya::inline v1
