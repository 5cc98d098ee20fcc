#include "collect/linux/proc_cgroup.h"

#include <gtest/gtest.h>

#include <string>

namespace de::collect {
namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kOther = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

struct Contained {
  const char* why;
  std::string path;
  std::string_view runtime;  // Empty: no container.
};

TEST(Container, IsToldFromTheGroup) {
  const std::string pod = "pod12345678_1234_1234_1234_123456789abc";
  for (const Contained& c : {
           Contained{"docker on systemd", "/system.slice/docker-" + kId + ".scope", "docker"},
           Contained{"docker on cgroupfs", "/docker/" + kId, "docker"},
           Contained{"docker, systemd inside", "/docker/" + kId + "/init.scope", "docker"},
           Contained{"podman as root", "/machine.slice/libpod-" + kId + ".scope/container", "podman"},
           Contained{"podman rootless",
                     "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope", "podman"},
           Contained{"podman on cgroupfs", "/libpod_parent/libpod-" + kId, "podman"},
           Contained{"podman's monitor is outside", "/machine.slice/libpod-conmon-" + kId + ".scope", ""},
           Contained{"containerd in kubernetes",
                     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + pod + ".slice/cri-containerd-" +
                         kId + ".scope",
                     "containerd"},
           Contained{"containerd without systemd",
                     "/system.slice/containerd.service/kubepods-burstable-" + pod + ".slice:cri-containerd:" + kId,
                     "containerd"},
           Contained{"nerdctl", "/system.slice/nerdctl-" + kId + ".scope", "containerd"},
           Contained{"ctr", "/default/" + kId, "containerd"},
           Contained{"cri-o", "/kubepods.slice/kubepods-" + pod + ".slice/crio-" + kId + ".scope", "cri-o"},
           Contained{"cri-o's monitor", "/kubepods.slice/kubepods-" + pod + ".slice/crio-conmon-" + kId + ".scope", ""},
           Contained{"kubernetes on cgroupfs", "/kubepods/burstable/pod1234/" + kId, "kubernetes"},
           Contained{"docker in kubernetes", "/kubepods.slice/kubepods-" + pod + ".slice/docker-" + kId + ".scope",
                     "docker"},
           Contained{"removed under it", "/system.slice/docker-" + kId + ".scope (deleted)", "docker"},
           Contained{"a service", "/system.slice/ssh.service", ""},
           Contained{"docker's own daemon", "/system.slice/docker.service", ""},
           Contained{"id too short", "/docker/0123456789abcdef", ""},
           Contained{"id not hexadecimal", "/docker/" + std::string(64, 'x'), ""},
           Contained{"hex name of nobody", "/mine/" + kId, ""},
           Contained{"root", "/", ""},
           Contained{"nothing", "", ""},
       }) {
    const ContainerName found = container_of(c.path);
    EXPECT_EQ(found.runtime, c.runtime) << c.why;
    EXPECT_EQ(found.id, c.runtime.empty() ? "" : kId) << c.why;
  }
}

TEST(Container, LxcHasNames) {
  EXPECT_EQ(container_of("/lxc.payload.web1/system.slice").id, "web1");
  EXPECT_EQ(container_of("/lxc/web2").id, "web2");
  EXPECT_EQ(container_of("/lxc/web2").runtime, "lxc");
}

TEST(Container, TheInnermostCounts) {
  const std::string path = "/docker/" + kOther + "/docker/" + kId;
  EXPECT_EQ(container_of(path).id, kId);
}

TEST(ProcCgroup, VersionTwo) {
  const ProcCgroup cgroup = parse_proc_cgroup("0::/system.slice/cron.service\n");
  EXPECT_EQ(cgroup.path, "/system.slice/cron.service");
  EXPECT_TRUE(cgroup.container.id.empty());
}

TEST(ProcCgroup, VersionOne) {
  const std::string text =
      "12:pids:/docker/" + kId + "\n4:memory:/docker/" + kId + "\n1:name=systemd:/docker/" + kId + "\n";
  const ProcCgroup cgroup = parse_proc_cgroup(text);
  EXPECT_EQ(cgroup.path, "/docker/" + kId);
  EXPECT_EQ(cgroup.container.runtime, "docker");
}

TEST(ProcCgroup, HybridUsesWhatSaysMore) {
  const ProcCgroup cgroup = parse_proc_cgroup("9:name=systemd:/\n4:memory:/batch/job1\n1:cpu:/\n0::/\n");
  EXPECT_EQ(cgroup.path, "/batch/job1");
  EXPECT_EQ(parse_proc_cgroup("9:name=systemd:/\n0::/\n").path, "/");
  EXPECT_EQ(parse_proc_cgroup("9:name=systemd:/user.slice\n4:memory:/x\n0::/\n").path, "/user.slice");
}

TEST(ProcCgroup, SkipsNonsense) {
  EXPECT_EQ(parse_proc_cgroup("").path, "");
  EXPECT_EQ(parse_proc_cgroup("nonsense\n:\n::\n3:x\n0::relative\n").path, "");
  EXPECT_EQ(parse_proc_cgroup("0::/a:b/c").path, "/a:b/c") << "colons belong to the path";
}

}  // namespace
}  // namespace de::collect
