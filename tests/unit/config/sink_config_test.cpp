// Sinks as a person writes them: what is refused with place, name and remedy, and that what the documents show is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_fixture.h"
#include "temp_dir.h"

namespace de::config {
namespace {

using testing::HasSubstr;

class SinkEntries : public ConfigFiles {};

struct BadSink {
  const char* what;
  const char* text;
  const char* error;
};

TEST_F(SinkEntries, AreRefusedWithNameAndRemedy) {
  const BadSink cases[] = {
      {"webhook of syslog", "sinks: [{name: a, type: webhook, url: 'tls://h'}]\n", "whose url begins with https://"},
      {"port too high", "sinks: [{name: a, type: syslog, url: 'tcp://h:65536'}]\n", "a number from 1 to 65535"},
      {"port no number", "sinks: [{name: a, type: webhook, url: 'https://h:x/'}]\n", "a number from 1 to 65535"},
      {"address bare", "sinks: [{name: a, type: syslog, url: 'tcp://::1:601'}]\n", "there is no host"},
      {"address without brackets", "sinks: [{name: a, type: syslog, url: 'tcp://a::1'}]\n", "is written [::1]"},
      {"address open", "sinks: [{name: a, type: syslog, url: 'tcp://[::1:601'}]\n", "ends with ]"},
      {"syslog with path", "sinks: [{name: a, type: syslog, url: 'tcp://h/x'}]\n", "nothing follows the host"},
      {"syslog without url", "sinks: [{name: a, type: syslog}]\n", "\"a\" is of type syslog and needs a url"},
      {"syslog of webhook", "sinks: [{name: a, type: syslog, url: 'https://h'}]\n", "begins with unix://, udp://"},
      {"syslog nowhere", "sinks: [{name: a, type: syslog, url: 'unix://dev/log'}]\n", "as in unix:///dev/log"},
      {"syslog of lines", "sinks: [{name: a, type: syslog, format: human, url: 'udp://h'}]\n", "are one line"},
      {"syslog facility", "sinks: [{name: a, type: syslog, facility: local8}]\n", "(did you mean \"local0\"?)"},
      {"syslog rfc", "sinks: [{name: a, type: syslog, rfc: 5425}]\n", "sinks.rfc: expected one of auto, 5424"},
      {"syslog small", "sinks: [{name: a, type: syslog, max_bytes: 480}]\n", "2048 to 65000"},
      {"certificate in the clear", "sinks: [{name: a, type: syslog, url: 'tcp://h', cert_file: /c, key_file: /k}]\n",
       "has a certificate, which only tls:// uses"},
      {"certificate alone", "sinks: [{name: a, type: syslog, url: 'tls://h', cert_file: /c}]\n", "both or none"},
      {"password of nobody", "sinks: [{name: a, type: webhook, url: 'https://h', password_file: /p}]\n", "needs both"},
      {"two who we are",
       "sinks: [{name: a, type: webhook, url: 'https://h', user: u, password_file: /p, token_file: /t}]\n",
       "has both token_file and user"},
      {"password in the clear", "sinks: [{name: a, type: webhook, url: 'http://h', user: u, password_file: /p}]\n",
       "would send its password to http://"},
      {"webhook's certificate alone", "sinks: [{name: a, type: webhook, url: 'https://h', key_file: /k}]\n",
       "both or none"},
      {"proxy of another kind", "sinks: [{name: a, type: webhook, url: 'https://h', proxy: 'tcp://p:1'}]\n",
       "a proxy, which begins with http://"},
      {"proxy of syslog", "sinks: [{name: a, type: syslog, url: 'tls://h', proxy: 'http://p:1'}]\n",
       "has a proxy, which only type webhook has"},
      {"facility of another type", "sinks: [{name: a, type: journald, facility: mail}]\n",
       "\"a\" has a facility, which only type syslog has"},
      {"url of journald", "sinks: [{name: a, type: journald, url: 'unix:///s'}]\n", "has a url, which only types"},
  };
  for (const BadSink& bad : cases) {
    const auto loaded = load_agent(system(bad.text));
    ASSERT_FALSE(loaded) << bad.what;
    EXPECT_THAT(loaded.error().message(), HasSubstr(bad.error)) << bad.what;
    EXPECT_THAT(loaded.error().message(), HasSubstr("system.yaml:1:")) << bad.what;
  }
}

TEST_F(SinkEntries, OfLogsKeepWhatTheySay) {
  const auto loaded = load_agent(system(
      "sinks:\n"
      "  - {name: a, type: syslog, url: 'tls://[::1]:6514', ca_file: /ca, cert_file: /c, key_file: /k, rfc: 3164,\n"
      "     facility: local7, max_bytes: 2048, format: stix}\n"
      "  - {name: b, type: journald, path: /run/j, format: csv}\n"));
  ASSERT_TRUE(loaded) << loaded.error().message();
  const SinkConfig& syslog = loaded->value.sinks.at(0);
  EXPECT_EQ(syslog.type, SinkType::Syslog);
  EXPECT_EQ(syslog.url, "tls://[::1]:6514");
  EXPECT_EQ(syslog.cert_file, "/c");
  EXPECT_EQ(syslog.key_file, "/k");
  EXPECT_EQ(syslog.rfc, SyslogRfc::Rfc3164);
  EXPECT_EQ(syslog.facility, SyslogFacility::Local7);
  EXPECT_EQ(syslog.max_bytes, 2'048U);
  EXPECT_EQ(syslog.format, SinkFormat::Stix);
  EXPECT_EQ(loaded->value.sinks.at(1).path, "/run/j");
}

// What is shown can be written back.
TEST_F(SinkEntries, AreShownAsTheyCanBeWritten) {
  const auto loaded =
      load_agent(system("sinks: [{name: a, type: syslog, url: 'udp://h', facility: mail}, {name: b}]\n"));
  ASSERT_TRUE(loaded) << loaded.error().message();
  const auto again = load_agent(system("sinks: " + setting(loaded->settings, "sinks").value + "\n"));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->value.sinks.at(0).facility, SyslogFacility::Mail);
}

TEST_F(SinkEntries, OfTheDocumentsAreLoaded) {
  const std::string document = test::read_text(DE_SOURCE_DIR "/docs/sinks.md");
  constexpr std::string_view kBegin = "```yaml\n";
  std::size_t examples = 0;
  for (std::size_t at = document.find(kBegin); at != document.npos; at = document.find(kBegin, at)) {
    at += kBegin.size();
    const std::string example = document.substr(at, document.find("```", at) - at);
    const auto loaded = load_agent(system(example));
    EXPECT_TRUE(loaded) << loaded.error().message() << "\n" << example;
    ++examples;
  }
  EXPECT_GE(examples, 6U);
}

}  // namespace
}  // namespace de::config
