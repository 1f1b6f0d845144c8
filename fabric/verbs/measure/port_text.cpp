#include "fabric/verbs/measure/port_text.hpp"

#include <sstream>

#include <fmt/format.h>

#include "core/error.hpp"

namespace fabricheck::verbs {

std::string port_name(const PortPlace& place) {
  return fmt::format("{} port {}", place.device, place.port.number);
}

// Lines of a word and its value; none of the values has a line break in it.
std::string port_to_text(const PortPlace& place) {
  const RdmaPort& port = place.port;
  std::string text = fmt::format("host {}\ndevice {}\nnumber {}\nlayer {}\nstate {}\nnet {}\n", place.host,
                                 place.device, port.number, port.link_layer, port.state, port.net_device);
  for (const std::string& subnet : port.subnets) text += fmt::format("subnet {}\n", subnet);
  for (const Gid& gid : port.gids) text += fmt::format("gid {} {} {}\n", gid.index, gid.address, gid.type);
  return text;
}

PortPlace port_from_text(std::string_view text) {
  PortPlace place;
  std::istringstream lines{std::string(text)};
  std::string line;
  while (std::getline(lines, line)) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) throw Error(fmt::format("a peer's port has the line '{}'", line));
    const std::string word = line.substr(0, space), value = line.substr(space + 1);
    if (word == "host") place.host = value;
    if (word == "device") place.device = value;
    if (word == "number") place.port.number = std::stoi(value);
    if (word == "layer") place.port.link_layer = value;
    if (word == "state") place.port.state = value;
    if (word == "net") place.port.net_device = value;
    if (word == "subnet") place.port.subnets.push_back(value);
    if (word != "gid") continue;
    std::istringstream parts(value);
    Gid gid;
    parts >> gid.index >> gid.address >> std::ws;
    std::getline(parts, gid.type);
    place.port.gids.push_back(gid);
  }
  return place;
}

}  // namespace fabricheck::verbs
