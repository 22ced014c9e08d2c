// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fan-out runs: source, factory, sink and settings together, as the engine wants them.

#include <fanout/concepts.hpp>
#include <fanout/detail/arguments.hpp>
#include <fanout/detail/call_factory.hpp>
#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/retry_rules.hpp>
#include <fanout/detail/serial.hpp>
#include <fanout/detail/sink.hpp>
#include <fanout/detail/source.hpp>
#include <fanout/detail/visit_index.hpp>
#include <fanout/detail/with_resource.hpp>
#include <fanout/retry/attempt.hpp>

#include <boost/asio/strand.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Stands for "the child that the input says", where all children are of one type.
struct any_index {};

/// Where nobody asks since when an input could have run.
struct no_due {};

/// What jobs have in common: the settings, read the way the engine wants them.
template <class Settings>
class job_base {
public:
    using clock = typename Settings::clock;
    using observer_type = typename Settings::observer_type;
    using on_type = typename Settings::on_type;
    using admission_type = typename Settings::admission_type;
    using keys_type = typename Settings::keys_type;
    static constexpr bool keyed = !std::is_same_v<keys_type, no_keys>;
    using time_point = typename clock::time_point;
    using attempt = basic_attempt<clock>;
    /// Whether an observer asks since when an input could have run.
    static constexpr bool dates = has_on_started<observer_type> || has_on_settled<observer_type>;
    using due = std::conditional_t<dates, time_point, no_due>;

    explicit job_base(Settings&& s) : settings_(std::move(s)) {}

    auto& observer() noexcept { return *settings_.watcher; }
    /// Whether there may be a deadline or a timeout.
    static constexpr bool timed = Settings::timed;
    /// No limit was given.
    static constexpr bool is_unlimited = Settings::is_unlimited;
    auto const& attempt_timeout() const noexcept { return settings_.times.attempt_timeout; }
    auto const& on_executor() const noexcept { return settings_.on_executor; }
    bool needs_clock() const noexcept {
        return watches<observer_type> || settings_.times.deadline.has_value();
    }
    std::optional<time_point> deadline(time_point start) const {
        return settings_.times.deadline ? std::optional(settings_.times.deadline->from(start)) : std::nullopt;
    }

    admission_type& admission() noexcept { return settings_.limits.admission; }
    /// How many children may be in flight, where that is a number.
    std::optional<std::size_t> level() const { return settings_.limits.level(); }
    std::size_t per_key() const noexcept {
        if constexpr (keyed) {
            return settings_.limits.keys.permits();
        } else {
            return 0;
        }
    }
    bool is_overload(error_code const& code, std::exception_ptr const& e) {
        return settings_.overload(code, e);
    }

    /// A lane's own executor, where each has one.
    auto lane_executor() const { return strand_over<on_type>::make(settings_.on_executor); }

protected:
    Settings settings_;
};

/// An input, and what it carries from attempt to attempt.
template <class Input, class Memory, class Due>
struct remembered {
    Input input{};
    [[no_unique_address]] Memory memory{};
    [[no_unique_address]] Due due{}; ///< when its last sleep was to be over
};

struct no_input {};

template <class Core, bool FailFast, class Retry>
auto core_config(auto const& limits, auto deadline, Retry const& retry) {
    typename Core::config c;
    c.window = limits.window;
    c.lookahead = limits.keys.lookahead();
    c.fail_fast = FailFast;
    c.deadline = deadline;
    c.max_attempts = retry.max_attempts();
    return c;
}

template <class Keys, class Input>
struct key_by {
    using type = void;
};
template <class Key, class Input>
struct key_by<keyed_t<Key>, Input> {
    using type = std::remove_cvref_t<std::invoke_result_t<Key&, std::remove_reference_t<Input> const&>>;
};

/// A range of inputs and a factory that makes children of one type.
template <class Source, class Factory, class Sink, bool FailFast, class Retry, class Settings>
class range_job : public job_base<Settings> {
    using base = job_base<Settings>;

public:
    using item = remembered<typename Source::item, typename Retry::memory, typename base::due>;
    using made = maker<typename base::attempt, Factory, typename Source::input,
                       typename base::admission_type::permit_type>;
    using child_type = typename made::type;
    static constexpr bool wants_attempt = made::wants_attempt;
    using key = typename key_by<typename base::keys_type, typename Source::input>::type;
    using child_types = std::tuple<child_type>;
    static constexpr bool homogeneous = true;
    static constexpr bool fail_fast = FailFast;
    static constexpr bool retries = Retry::retries;
    using retry_type = Retry;

    range_job(Source&& source, Factory&& factory, Sink&& sink, Retry&& retry, Settings&& settings)
        : base(std::move(settings)),
          source_(std::move(source)),
          factory_(std::move(factory)),
          sink_(std::move(sink)),
          retry_(std::move(retry)) {}

    template <class Core>
    auto config(std::optional<typename base::time_point> deadline) const {
        return core_config<Core, FailFast>(this->settings_.limits, deadline, retry_);
    }

    void begin() {
        inputs_ = source_.size(); // before begin(), which may be all that a single pass allows
        if (inputs_) {
            sink_.reserve(*inputs_);
        }
        source_.begin();
        retry_.begin(inputs_.value_or(0));
        if constexpr (wants_attempt) {
            tokens_.seed();
        }
    }

    /// How many inputs there were at the beginning, where that is known.
    std::optional<std::size_t> inputs() const noexcept { return inputs_; }

    bool pull(item& to) {
        to.memory = {};
        auto const found = source_.pull(to.input);
        if (found && !inputs_) {
            retry_.begin(1);
        }
        return found;
    }
    void open(std::size_t i) { sink_.open(i); }
    std::optional<std::size_t> total() noexcept {
        try {
            return source_.total();
        } catch (...) { // counting a range may run the caller's code
            return std::nullopt;
        }
    }

    template <class About>
    child_type make(item& i, any_index, About const& about)
        requires(!carries_resource<typename base::admission_type::permit_type>)
    {
        return call_factory<typename base::attempt>(factory_, about, Source::get(i.input));
    }
    template <class Permit, class About>
    auto make_with_resource(item& i, Permit& permit, About const& about) {
        return call_with_resource<typename base::attempt, typename Source::input>(permit, factory_, about,
                                                                                  Source::get(i.input));
    }

    static auto const& peek(item const& i) { return Source::peek(i.input); }
    auto key_of(item const& input) { return std::invoke(this->settings_.limits.keys.key(), peek(input)); }
    void visit(std::size_t, auto&& f) { f(any_index{}); }

    template <class... V>
    void value(any_index, std::size_t i, V&&... v) {
        sink_.value(i, std::forward<V>(v)...);
    }
    void error(any_index, std::size_t i, error_code const& code, std::exception_ptr const& e) noexcept {
        sink_.error(i, code, e);
    }

    /// Calls `f(what became of the input)`.
    void with_outcome(std::size_t i, auto&& f) { f(sink_.outcome(i)); }
    Retry& retry() noexcept { return retry_; }
    idempotency_token token(std::size_t i) const noexcept
        requires wants_attempt
    {
        return tokens_.of(i);
    }

    auto finish(ending&& e) {
        retry_.end();
        return sink_.finish(std::move(e));
    }

private:
    [[no_unique_address]] Source source_;
    std::optional<std::size_t> inputs_;
    [[no_unique_address]] Factory factory_;
    Sink sink_;
    [[no_unique_address]] Retry retry_;
    [[no_unique_address]] std::conditional_t<wants_attempt, token_source, no_attempt> tokens_;
};

/// What a fixed number of children is made from: the children themselves, or, to be run again, their factories.
template <bool Retries, class Attempt, class Part>
struct part_child {
    using type = Part;
    static constexpr bool wants_attempt = false;
};
template <class Attempt, class Part>
struct part_child<true, Attempt, Part> {
    using type = made_of_t<Attempt, Part>;
    static constexpr bool wants_attempt = takes_attempt<Attempt, Part>;
};

/// A fixed number of children, each of its own type.
template <class Sink, bool FailFast, class Retry, class Settings, class... Parts>
class tuple_job : public job_base<Settings> {
    using base = job_base<Settings>;

public:
    using item = remembered<no_input, typename Retry::memory, typename base::due>;
    using child_types =
        std::tuple<typename part_child<Retry::retries, typename base::attempt, Parts>::type...>;
    static constexpr bool wants_attempt =
        (... || part_child<Retry::retries, typename base::attempt, Parts>::wants_attempt);
    static constexpr bool homogeneous = false;
    static constexpr bool fail_fast = FailFast;
    static constexpr bool retries = Retry::retries;
    using retry_type = Retry;

    tuple_job(Retry&& retry, Settings&& settings, std::tuple<Parts...>&& parts)
        : base(std::move(settings)), parts_(std::move(parts)), retry_(std::move(retry)) {}

    template <class Core>
    auto config(std::optional<typename base::time_point> deadline) const {
        return core_config<Core, FailFast>(this->settings_.limits, deadline, retry_);
    }

    void begin() {
        retry_.begin(sizeof...(Parts));
        if constexpr (wants_attempt) {
            tokens_.seed();
        }
    }
    bool pull(item& to) noexcept {
        to.memory = {};
        return pulled_ < sizeof...(Parts) && ++pulled_ > 0;
    }
    void open(std::size_t i) { sink_.open(i); }
    static std::optional<std::size_t> total() noexcept { return sizeof...(Parts); }
    static std::optional<std::size_t> inputs() noexcept { return sizeof...(Parts); }

    template <std::size_t I, class About>
    auto make(item&, std::integral_constant<std::size_t, I>, [[maybe_unused]] About const& about) {
        if constexpr (retries) {
            return call_factory<typename base::attempt>(std::get<I>(parts_), about);
        } else {
            return std::move(std::get<I>(parts_));
        }
    }

    /// Calls `f` with the index as a type.
    void visit(std::size_t i, auto&& f) { visit_index<sizeof...(Parts)>(i, f); }

    template <std::size_t I, class... V>
    void value(std::integral_constant<std::size_t, I> which, std::size_t, V&&... v) {
        sink_.value(which, std::forward<V>(v)...);
    }
    template <std::size_t I>
    void error(std::integral_constant<std::size_t, I> which, std::size_t, error_code const& code,
               std::exception_ptr const& e) noexcept {
        sink_.error(which, code, e);
    }

    /// Calls `f(what became of the child)`.
    void with_outcome(std::size_t i, auto&& f) {
        visit(i, [&](auto which) { f(sink_.outcome(which)); });
    }
    Retry& retry() noexcept { return retry_; }
    idempotency_token token(std::size_t i) const noexcept
        requires wants_attempt
    {
        return tokens_.of(i);
    }

    auto finish(ending&& e) {
        retry_.end();
        return sink_.finish(std::move(e));
    }

private:
    std::tuple<Parts...> parts_;
    std::size_t pulled_ = 0;
    Sink sink_;
    [[no_unique_address]] Retry retry_;
    [[no_unique_address]] std::conditional_t<wants_attempt, token_source, no_attempt> tokens_;
};

} // namespace fanout::detail
