#include "sigma/fields.h"

#include <algorithm>
#include <array>

#include "daemoneye/base/text.h"

namespace de::sigma {
namespace {

constexpr std::string_view kImage = "executable_path";
constexpr FieldKind kFurther = FieldKind::Further;

// clang-format off
constexpr Field kProcess[] = {
    {"Image", kImage, FieldKind::Text, true},
    {"CommandLine", "command_line", FieldKind::Text, true},
    {"ParentImage", "parent_executable_path", FieldKind::Text, true},
    {"ParentCommandLine", "parent_command_line", FieldKind::Text, true},
    {"User", "user_name", FieldKind::Text, true},
    {"CurrentDirectory", "cwd", FieldKind::Text, true},
    {"ProcessName", "name", FieldKind::Text},
    {"LogonId", "login_uid", FieldKind::Number},
    {"ProcessId", "pid", FieldKind::Number},
    {"ParentProcessId", "ppid", FieldKind::Number},
    {"sha256", "executable_hash", FieldKind::Text},
    {"Hashes", "coalesce(json_extract(platform_data, '$.Hashes'), 'SHA256=' || upper(executable_hash))", FieldKind::Text},
    {"OriginalFileName", "", kFurther}, {"Description", "", kFurther}, {"Product", "", kFurther},
    {"Company", "", kFurther}, {"FileVersion", "", kFurther}, {"IntegrityLevel", "", kFurther},
    {"ParentUser", "", kFurther}, {"ParentIntegrityLevel", "", kFurther}, {"ParentLogonId", "", kFurther},
    {"GrandParentImage", "", kFurther}, {"GrandParentCommandLine", "", kFurther}, {"ParentOriginalFileName", "", kFurther},
    {"ParentProduct", "", kFurther}, {"ParentCompany", "", kFurther}, {"ParentDescription", "", kFurther},
    {"md5", "", kFurther}, {"sha1", "", kFurther}, {"Imphash", "", kFurther}, {"imphash", "", kFurther},
    {"LogonGuid", "", kFurther}, {"ProcessGuid", "", kFurther}, {"ParentProcessGuid", "", kFurther},
    {"TerminalSessionId", "", kFurther}, {"Provider_Name", "", kFurther}, {"EventID", "", kFurther}, {"Channel", "", kFurther},
    {"Computer", "", kFurther}, {"UtcTime", "", kFurther}, {"RuleName", "", kFurther}, {"Signed", "", kFurther},
};
constexpr Field kNetwork[] = {
    {"Image", kImage, FieldKind::Text, true},
    {"CommandLine", "command_line", FieldKind::Text, true},
    {"ParentImage", "parent_executable_path", FieldKind::Text, true},
    {"User", "user_name", FieldKind::Text, true},
    {"DestinationIp", "dst_ip", FieldKind::Text, true},
    {"DestinationPort", "dst_port", FieldKind::Number},
    {"DestinationHostname", "dst_hostname", FieldKind::Text, true},
    {"SourceIp", "src_ip", FieldKind::Text, true},
    {"SourcePort", "src_port", FieldKind::Number},
    {"Initiated", "initiated", FieldKind::Text},
    {"Protocol", "protocol", FieldKind::Text},
    {"ProcessId", "pid", FieldKind::Number},
    {"SourceHostname", "", kFurther}, {"SourceIsIpv6", "", kFurther}, {"DestinationIsIpv6", "", kFurther},
    {"SourcePortName", "", kFurther}, {"DestinationPortName", "", kFurther}, {"ProcessGuid", "", kFurther},
    {"Computer", "", kFurther}, {"UtcTime", "", kFurther}, {"RuleName", "", kFurther},
};
constexpr Field kFile[] = {
    {"TargetFilename", "path", FieldKind::Text, true},
    {"Image", kImage, FieldKind::Text, true},
    {"CommandLine", "command_line", FieldKind::Text, true},
    {"ParentImage", "parent_executable_path", FieldKind::Text, true},
    {"ParentCommandLine", "parent_command_line", FieldKind::Text, true},
    {"User", "user_name", FieldKind::Text, true},
    {"ProcessId", "pid", FieldKind::Number},
    {"CreationUtcTime", "", kFurther}, {"PreviousCreationUtcTime", "", kFurther}, {"ProcessGuid", "", kFurther},
    {"Computer", "", kFurther}, {"UtcTime", "", kFurther}, {"RuleName", "", kFurther}, {"Contents", "", kFurther},
};
// clang-format on

constexpr LogSource kSources[] = {
    {"process_creation", "processes.events", "event_type = 'exec'",
     "pid, process_uid, name, executable_path, command_line, user_name, ppid, parent_executable_path, "
     "parent_command_line",
     true, kProcess},
    {"network_connection", "network.connections", "", "pid, process_uid, executable_path, user_name, dst_ip, dst_port",
     false, kNetwork},
    {"file_event", "fs.events", "op = 'create'", "pid, process_uid, executable_path, user_name, path", false, kFile},
};
constexpr std::array<std::string_view, 3> kProducts = {"linux", "macos", "windows"};

}  // namespace

Result<const LogSource*> find_log_source(std::string_view product, std::string_view category,
                                         std::string_view service) {
  const auto found = std::ranges::find(kSources, category, &LogSource::category);
  if (found != std::end(kSources) && std::ranges::find(kProducts, product) != kProducts.end() && service.empty())
    return found;
  std::string what = "no table for logsource";
  if (!product.empty()) what += " product: " + escape_controls(product);
  if (!category.empty()) what += " category: " + escape_controls(category);
  if (!service.empty()) what += " service: " + escape_controls(service);
  return fail(Errc::NotFound, what +
                                  "; there are process_creation, network_connection and file_event of linux, macos and "
                                  "windows");
}

Result<const Field*> find_field(const LogSource& source, std::string_view name) {
  const auto found = std::ranges::find(source.fields, name, &Field::name);
  if (found != source.fields.end()) return &*found;
  std::vector<std::string_view> names;
  for (const Field& field : source.fields) names.push_back(field.name);
  return fail(Errc::NotFound, std::string(source.category) + " has no field \"" + escape_controls(name) + "\"" +
                                  suggestion(name, names));
}

std::string sql_of(const Field& field) {
  if (field.kind == FieldKind::Further) return "json_extract(platform_data, '$." + std::string(field.name) + "')";
  return std::string(field.sql);
}

}  // namespace de::sigma
