// What a configuration may ask for by its grammar, and this version of the program does not do yet.
// Said like any other mistake, so that nobody relies on a key that has no effect.
#pragma once

#include <string>
#include <vector>

#include "conf/model.h"

namespace gateway {

// Keys of `model` that differ from their default but have no effect; each as the file spells it.
// Empty: all of it will be carried out.
std::vector<std::string> UnavailableKeys(const conf::Model& model);

}  // namespace gateway
