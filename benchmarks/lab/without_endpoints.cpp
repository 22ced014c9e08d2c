// SPDX-License-Identifier: BSL-1.0
// Where the examples' adapters are not built, there are no real endpoints.

#include "endpoint_options.hpp"

#include <stdexcept>

namespace lab {

struct real_endpoints::options {};

real_endpoints::real_endpoints() = default;
real_endpoints::~real_endpoints() = default;
void real_endpoints::add_options(CLI::App&) {}
bool real_endpoints::asked_for() const { return false; }
std::string real_endpoints::title() const { return {}; }
int real_endpoints::run(std::vector<strategy> const&, workload const&,
                        std::function<void(run_result const&)> const&, std::ostream*) {
    throw std::logic_error("there are no real endpoints");
}
std::string real_endpoints::comparison() const { return {}; }

} // namespace lab
