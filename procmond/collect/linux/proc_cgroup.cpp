#include "collect/linux/proc_cgroup.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace de::collect {
namespace {

constexpr std::size_t kIdLength = 64;  // Every OCI runtime's id: 32 bytes in hexadecimal.

bool is_id(std::string_view text) {
  return text.size() == kIdLength &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

struct Prefix {
  std::string_view text, runtime;
};
// systemd names: PREFIX-ID.scope. "libpod-conmon-ID" and "crio-conmon-ID" are monitors outside the container, and
// are no match because what follows the prefix is not an id.
constexpr std::array kScopes = {
    Prefix{"docker-", "docker"},      Prefix{"libpod-", "podman"},         Prefix{"cri-containerd-", "containerd"},
    Prefix{"nerdctl-", "containerd"}, Prefix{"containerd-", "containerd"}, Prefix{"crio-", "cri-o"},
};
// cgroupfs names: /PARENT/ID.
constexpr std::array kParents = {
    Prefix{"docker", "docker"},      Prefix{"libpod_parent", "podman"}, Prefix{"k8s.io", "containerd"},
    Prefix{"default", "containerd"}, Prefix{"moby", "docker"},
};

ContainerName by_segment(std::string_view segment, std::string_view parent, bool in_kubepods) {
  std::string_view name = segment;
  if (name.ends_with(" (deleted)")) name.remove_suffix(10);  // The kernel's mark for a group removed under it.
  if (name.ends_with(".scope")) name.remove_suffix(6);
  for (const Prefix& scope : kScopes) {
    std::string_view id = name;
    if (take_prefix(id, scope.text) && is_id(id)) return {id, scope.runtime};
  }
  // A runtime set to name groups for systemd on a host that has none: "PARENT.slice:cri-containerd:ID".
  if (const std::size_t colon = name.rfind(':'); colon != name.npos && is_id(name.substr(colon + 1))) {
    const std::string_view before = name.substr(0, colon);
    if (before.ends_with(":cri-containerd")) return {name.substr(colon + 1), "containerd"};
    if (before.ends_with(":crio")) return {name.substr(colon + 1), "cri-o"};
    if (before.ends_with(":docker")) return {name.substr(colon + 1), "docker"};
  }
  if (!is_id(name)) return {};
  for (const Prefix& above : kParents)
    if (parent == above.text) return {name, above.runtime};
  // Under kubepods the runtime did not sign the name; only kubernetes is known.
  return in_kubepods ? ContainerName{name, "kubernetes"} : ContainerName{};
}

ContainerName lxc_container(std::string_view segment, std::string_view parent) {
  if (take_prefix(segment, "lxc.payload.") && !segment.empty()) return {segment, "lxc"};
  if (parent == "lxc" && !segment.empty()) return {segment, "lxc"};
  return {};
}

}  // namespace

ContainerName container_of(std::string_view path) {
  ContainerName found;
  std::string_view parent;
  bool in_kubepods = false;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (segment.empty()) continue;
    // The innermost container wins: a container in a container is seen from the host as a deeper group.
    ContainerName here = by_segment(segment, parent, in_kubepods);
    if (here.id.empty()) here = lxc_container(segment, parent);
    if (!here.id.empty()) found = here;
    if (segment.starts_with("kubepods")) in_kubepods = true;
    parent = segment;
  }
  return found;
}

ProcCgroup parse_proc_cgroup(std::string_view text) {
  ProcCgroup out;
  std::string_view v2, systemd, first;
  ContainerName v1_container;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first_colon = line.find(':');
    if (first_colon == line.npos) continue;
    const std::size_t second_colon = line.find(':', first_colon + 1);
    if (second_colon == line.npos || second_colon + 1 >= line.size() || line[second_colon + 1] != '/') continue;
    const std::string_view hierarchy = line.substr(0, first_colon);
    const std::string_view controllers = line.substr(first_colon + 1, second_colon - first_colon - 1);
    const std::string_view path = line.substr(second_colon + 1);

    if (hierarchy == "0" && controllers.empty()) {
      v2 = path;
      out.container = container_of(path);
    } else {
      if (controllers == "name=systemd") systemd = path;
      if (first.empty() || first == "/") first = path;
      if (v1_container.id.empty()) v1_container = container_of(path);
    }
  }
  if (out.container.id.empty()) out.container = v1_container;
  // On a hybrid host everything sits in "/" of the unused version 2 tree; then version 1 says more.
  for (const std::string_view candidate : {v2, systemd, first})
    if (out.path.empty() || out.path == "/")
      if (!candidate.empty()) out.path = candidate;
  return out;
}

}  // namespace de::collect
