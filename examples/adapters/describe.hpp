// SPDX-License-Identifier: BSL-1.0
#pragma once
// What an exception says, for people.

#include <boost/system/system_error.hpp>

#include <exception>
#include <string>

namespace adapters {

// Less the "[category:number at file:line…]" that Boost puts behind a system_error.
inline std::string describe(std::exception const& e) {
    std::string const what = e.what();
    auto const* const error = dynamic_cast<boost::system::system_error const*>(&e);
    return error == nullptr
               ? what
               : what.substr(0, what.rfind(std::string(" [") + error->code().category().name() + ':'));
}

inline std::string describe(std::exception_ptr const& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (std::exception const& e) {
        return describe(e);
    } catch (...) {
        return "an exception of unknown type";
    }
}

} // namespace adapters
