// SPDX-License-Identifier: BSL-1.0
#pragma once
// What an experiment leaves behind: rows of figures, what it says meanwhile, and a recording of each of its fan-outs. The
// frame (program.hpp) prints it, and draws it, as the program's options ask.

#include <fanout/error.hpp>
#include <fanout/observe/recording.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace support {

// A loop that is no fan-out, recorded as one that runs one child at a time, so that both can be seen side by side:
// `co_await watched(one)` for `co_await one`. Ends when it is destroyed.
class watched_loop {
    using clock = std::chrono::steady_clock;

public:
    watched_loop(fanout::recording& to, std::size_t inputs) : to_(to), inputs_(inputs) {
        to_.on_begun({inputs});
        to_.on_limit({1, {}});
    }
    watched_loop(watched_loop const&) = delete;
    watched_loop& operator=(watched_loop const&) = delete;
    ~watched_loop() {
        auto const not_started = inputs_ - (std::min)(inputs_, next_);
        if (not_started > 0)
            to_.on_stopped({fanout::stop_reason::rejection, false, now()});
        to_.on_finished({not_started, 0, now()});
    }

    template <class T>
    boost::asio::awaitable<T> operator()(boost::asio::awaitable<T> one) {
        auto const start = begin();
        try {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(one);
                end(start, {});
            } else {
                auto value = co_await std::move(one);
                end(start, {});
                co_return value;
            }
        } catch (boost::system::system_error const& e) {
            end(start, e.code());
            throw;
        } catch (...) {
            end(start, fanout::errc::exception);
            throw;
        }
    }

private:
    std::chrono::nanoseconds now() const { return clock::now() - start_; }

    std::chrono::nanoseconds begin() {
        auto const at = now();
        to_.on_started({.index = next_++, .attempt = 1, .in_flight = 1, .at = at, .lane = 0, .waited = at});
        return at;
    }

    void end(std::chrono::nanoseconds start, boost::system::error_code error) {
        auto const at = now();
        to_.on_settled({.index = next_ - 1,
                        .attempt = 1,
                        .in_flight = 0,
                        .what = error ? fanout::state::rejected : fanout::state::fulfilled,
                        .error = error,
                        .retried = false,
                        .elapsed = at - start,
                        .at = at,
                        .lane = 0,
                        .waited = start,
                        .overloaded = false});
    }

    fanout::recording& to_;
    std::size_t inputs_, next_ = 0;
    clock::time_point start_ = clock::now();
};

class notebook {
public:
    struct row {
        std::string experiment, article, ours;
    };
    // What an input is called, by its index.
    using labels = std::function<std::string(std::size_t)>;
    struct part {
        std::string name;
        labels label;
        fanout::recording recorded{};
    };

    // Rows and what is said go to these as they come; a null pointer is nowhere.
    notebook(std::ostream* rows, std::ostream* talk)
        : rows_to_(rows), talk_(talk == nullptr ? nowhere_ : *talk) {}
    notebook(notebook const&) = delete;
    notebook& operator=(notebook const&) = delete;

    // "| experiment | article | ours |": the tests collect these rows in one table. None of the three holds a '|'.
    void report(std::string_view experiment, std::string_view article, std::string_view ours) {
        rows_.push_back({std::string(experiment), std::string(article), std::string(ours)});
        if (rows_to_ != nullptr)
            *rows_to_ << "| " << experiment << " | " << article << " | " << ours << " |" << std::endl;
    }

    // Where to tell what goes on beside the rows. It leads nowhere where that is not wanted.
    std::ostream& say() { return talk_; }

    // The recording of that name, to be given to a fan-out as its observer; it stays where it is. What `label` refers to
    // must outlive the notebook.
    fanout::recording& record(std::string_view name, labels label = {}) {
        for (auto& known : parts_)
            if (known.name == name)
                return known.recorded;
        return parts_.emplace_back(part{std::string(name), std::move(label)}).recorded;
    }

    // Says in one paragraph what that part was like.
    void tell(std::string_view name) { say() << name << ": " << record(name).totals() << '\n'; }

    // Records a plain loop over so many inputs.
    watched_loop loop(std::string_view name, std::size_t inputs, labels label = {}) {
        return watched_loop(record(name, std::move(label)), inputs);
    }

    std::vector<row> const& rows() const { return rows_; }
    std::deque<part> const& parts() const { return parts_; }

private:
    std::ostream nowhere_{nullptr};
    std::ostream* rows_to_;
    std::ostream& talk_;
    std::vector<row> rows_;
    std::deque<part> parts_;
};

} // namespace support
