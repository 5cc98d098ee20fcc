// /proc/PID/cgroup: where a process lives, and in which container.
//
// The container is told from how runtimes name their groups. A process that may write the cgroup file system can
// choose its group's name, so this is a description, not evidence.
//
// Thread: any (pure functions).
#pragma once

#include <string_view>

namespace de::collect {

struct ContainerName {
  std::string_view id;       // Borrowed; empty when this is no container.
  std::string_view runtime;  // docker, podman, containerd, cri-o, kubernetes or lxc.
};

struct ProcCgroup {
  std::string_view path;  // Borrowed: version 2's when the process is in one there, else systemd's or the first.
  ContainerName container;
};

// Never fails: lines that are not "ID:controllers:path" are skipped, an empty text gives an empty path.
ProcCgroup parse_proc_cgroup(std::string_view text);

// The container that a control group path names.
ContainerName container_of(std::string_view path);

}  // namespace de::collect
