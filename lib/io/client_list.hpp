// SPDX-License-Identifier: Apache-2.0
// Whom the end of a server waits for: its listening sockets, its handlers, and its connections, which may have to send something when their handlers
// have ended. Not part of the server, because a connection leaves with its lock held, and must not be the one that destroys a user's handler then.
#pragma once

#include "io/connection.hpp"

#include <aya/sync/event.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace aya::inline v1::io::detail {

class client_list : public std::enable_shared_from_this<client_list> {
public:
    /// Something to wait for.
    class presence {
    public:
        explicit presence(std::shared_ptr<client_list> l) : list_(std::move(l)) {
            std::lock_guard const guard(list_->mutex_);
            ++list_->present_;
        }
        presence(presence&&) = default;
        presence& operator=(presence&&) = delete;
        ~presence() {
            if (list_ == nullptr)
                return;
            std::lock_guard const guard(list_->mutex_);
            --list_->present_;
            list_->note_end();
        }

    private:
        std::shared_ptr<client_list> list_;
    };

    /// Until it is closed.
    void enter(std::shared_ptr<connection> const& c) {
        auto stay = std::make_shared<membership>(shared_from_this());
        {
            std::lock_guard const guard(mutex_);
            stay->where = connections_.insert(connections_.end(), c);
            stay->listed = true;
        }
        c->join(std::move(stay));
    }

    /// Nobody enters any more.
    void close() {
        std::lock_guard const guard(mutex_);
        closed_ = true;
        note_end();
    }

    [[nodiscard]] std::size_t size() const {
        std::lock_guard const guard(mutex_);
        return connections_.size();
    }
    [[nodiscard]] std::vector<std::shared_ptr<connection>> all() const {
        std::vector<std::shared_ptr<connection>> found; // if that throws, they go outside the lock
        std::lock_guard const guard(mutex_);
        found.reserve(connections_.size());
        for (auto const& c : connections_)
            if (auto still = c.lock())
                found.push_back(std::move(still));
        return found;
    }

    /// Set when it is closed and nothing is left.
    aya::event ended;

private:
    using places = std::list<std::weak_ptr<connection>>;

    struct membership {
        explicit membership(std::shared_ptr<client_list> l) noexcept : list(std::move(l)) {}
        membership(membership const&) = delete;
        membership& operator=(membership const&) = delete;
        ~membership() {
            if (!listed)
                return;
            std::lock_guard const guard(list->mutex_);
            list->connections_.erase(where);
            list->note_end();
        }
        std::shared_ptr<client_list> list;
        places::iterator where;
        bool listed = false;
    };

    // With the mutex held.
    void note_end() noexcept {
        if (closed_ && present_ == 0 && connections_.empty())
            ended.set();
    }

    mutable std::mutex mutex_;
    places connections_;
    std::size_t present_ = 0;
    bool closed_ = false;
};

} // namespace aya::inline v1::io::detail
