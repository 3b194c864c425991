// SPDX-License-Identifier: Apache-2.0
#include "walk.hpp"

#include "heads.hpp"
#include "text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace duplicates {
namespace {

bool is_dot_or_dot_dot(char const* name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

std::string path_in(directory const* dir, std::string_view name) {
    return path_of(file{.parent = dir, .name = name});
}

}  // namespace

walker::walker(std::vector<std::string> const& roots, walk_options options, tally& counts)
    : options_(options), counts_(counts), arena_(1 << 20), entries_(64 * 1024),
      found_(options.batch_files, options.batch_bytes) {
    for (auto root = roots.rbegin(); root != roots.rend(); ++root) {
        add_root(*root);  // the last added is walked first
    }
}

std::string_view walker::keep(std::string_view name) {
    auto* const copy = static_cast<char*>(arena_.allocate(name.size() + 1, 1));
    std::memcpy(copy, name.data(), name.size());
    copy[name.size()] = '\0';
    return {copy, name.size()};
}

directory const* walker::add_directory(directory const* parent, std::string_view name) {
    void* const place = arena_.allocate(sizeof(directory), alignof(directory));
    return pending_.emplace_back(::new (place) directory{parent, keep(name)});
}

void walker::add_root(std::string const& root) {
    std::string_view name = root;
    while (name.size() > 1 && name.back() == '/') {
        name.remove_suffix(1);
    }
    struct stat status {};
    // Followed, unlike any link found on the way: the user named this one.
    if (stat(root.c_str(), &status) != 0) {
        int const error = errno;
        std::string& message = missing_roots_.emplace_back();
        append_quoted(message, name);
        message.append(": ").append(strerrordesc_np(error));
    } else if (S_ISDIR(status.st_mode)) {
        add_directory(nullptr, name);
    } else {
        file_roots_ = true;
        meet(nullptr, name, status);
    }
}

void walker::skip(skipped why, std::string_view name, int error) {
    counts_.skip(why, counts_.verbose() ? path_in(current_, name) : std::string(), error);
}

std::vector<file*> walker::linked_files() const {
    std::vector<file*> files;
    for (auto const& [id, first] : linked_) {
        files.push_back(first);
    }
    return files;
}

// Opens the next directory nobody has walked yet.
bool walker::open_next() {
    while (!pending_.empty()) {
        current_ = pending_.back();
        pending_.pop_back();
        open_ = open_directory(*current_);
        struct stat status {};
        if (!open_ || fstat(open_.get(), &status) != 0) {
            int const error = errno;
            bool const gone = error == ENOENT || error == ENOTDIR || error == ELOOP;
            counts_.skip(gone ? skipped::vanished : skipped::unreadable_directory, path_of(*current_), error);
        } else if (!directories_.insert({status.st_dev, status.st_ino}).second) {
            counts_.skip(skipped::seen_directory, path_of(*current_));
        } else {
            return true;
        }
    }
    return false;
}

std::vector<batch_ptr> walker::step(std::size_t entries) {
    std::size_t seen = 0;
    while (!finished_ && seen < entries && !counts_.stopped()) {
        if (!open_ && !open_next()) {
            finished_ = true;
            counts_.walk_done.store(true, tally::relaxed);
            found_.flush();
            break;
        }
        ssize_t const length = getdents64(open_.get(), entries_.data(), entries_.size());
        if (length > 0) {
            scan(entries_.data(), static_cast<std::size_t>(length));
            seen += static_cast<std::size_t>(length) / 32;  // an entry takes about that many bytes
            continue;
        }
        if (length < 0 && errno != ENOENT) {  // a directory removed while it is open has no entries any more
            counts_.skip(skipped::unreadable_directory, path_of(*current_), errno);
        }
        open_ = descriptor();
        ++seen;
    }
    return found_.take();
}

void walker::scan(char const* entries, std::size_t length) {
    for (char const* at = entries; at < entries + length;) {
        // The kernel aligns the records to 8 bytes.
        auto const& entry = *static_cast<dirent64 const*>(static_cast<void const*>(at));
        at += entry.d_reclen;
        char const* const name = entry.d_name;
        struct stat status;
        switch (entry.d_type) {
        case DT_DIR:
            if (!is_dot_or_dot_dot(name)) {
                add_directory(current_, name);
            }
            continue;
        case DT_LNK: skip(skipped::symbolic_link, name); continue;
        case DT_REG:
        case DT_UNKNOWN: break;  // not every file system says the type: ask for it
        default: skip(skipped::special, name); continue;
        }
        if (is_dot_or_dot_dot(name)) {
            continue;
        }
        if (fstatat(open_.get(), name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
            meet(current_, name, status);
        } else {
            skip(errno == ENOENT ? skipped::vanished : skipped::unreadable_file, name, errno);
        }
    }
}

void walker::meet(directory const* parent, std::string_view name, struct stat const& status) {
    current_ = parent;
    if (S_ISDIR(status.st_mode)) {
        add_directory(parent, name);
        return;
    }
    if (!S_ISREG(status.st_mode)) {
        skip(S_ISLNK(status.st_mode) ? skipped::symbolic_link : skipped::special, name);
        return;
    }
    counts_.files.fetch_add(1, tally::relaxed);
    auto const size = static_cast<std::uint64_t>(status.st_size);
    if (size < options_.min_size) {
        return;
    }
    void* const place = arena_.allocate(sizeof(file), alignof(file));
    auto* const met = ::new (place) file{parent, keep(name), size, status.st_ino, status.st_dev, nullptr};
    // A file named on the command line may also lie in one of the trees: then a single link can be met twice.
    if (status.st_nlink > 1 || file_roots_) {
        auto const [known, first] = linked_.try_emplace({status.st_dev, status.st_ino}, met);
        if (!first) {
            if (status.st_nlink == 1) {
                return;  // the same name again
            }
            met->next_link = known->second->next_link;
            known->second->next_link = met;
            skip(skipped::hard_link, name);
            return;
        }
    }
    sizes_.offer(size, met, [&](file* f) {
        std::uint64_t const head = std::min<std::uint64_t>(f->size, head_size);
        counts_.candidates.fetch_add(1, tally::relaxed);
        counts_.expected.fetch_add(head, tally::relaxed);
        found_.add(f, head);
    });
}

}  // namespace duplicates
