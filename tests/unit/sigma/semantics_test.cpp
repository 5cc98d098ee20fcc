// What a detection means, point by point of the specification, asked of the product's own loader and SQL.
#include <gtest/gtest.h>

#include "sigma_case.h"

namespace de::sigma {
namespace {

Event command(const std::string& line) { return {{"CommandLine", line}}; }
Event image(const std::string& path) { return {{"Image", path}}; }
Event parent(const std::string& path) { return {{"ParentImage", path}}; }

TEST(Sigma, ValuesAreComparedWithoutCase) {
  expect_case({"sel:\n    Image: /usr/bin/nc\ncondition: sel", {image("/usr/bin/NC")}, {image("/usr/bin/ncat"), {}}});
  expect_case(
      {"sel:\n    CommandLine|contains: ' -e '\ncondition: sel", {command("nc -E /bin/sh")}, {command("nc -e")}});
  expect_case({"sel:\n    Image|startswith: /tmp/\ncondition: sel", {image("/TMP/x")}, {image("/var/tmp/x")}});
  expect_case({"sel:\n    Image|endswith: /nc\ncondition: sel", {image("/usr/bin/NC")}, {image("/usr/bin/rnc")}});
  expect_case(
      {"sel:\n    CommandLine|contains: señal\ncondition: sel", {command("una SEÑAL")}, {command("una senal")}});
  expect_case(
      {"sel:\n    CommandLine: Ünter\ncondition: sel", {command("üNTER")}, {command("xünter"), command("ünterx")}});
  expect_case(
      {"sel:\n    CommandLine|contains|cased: ' -K '\ncondition: sel", {command("a -K b")}, {command("a -k b")}});
  expect_case(
      {"sel:\n    CommandLine|cased: Word\ncondition: sel", {command("Word")}, {command("word"), command("Words")}});
  expect_case({"sel:\n    CommandLine|contains|cased: '[ab]%'\ncondition: sel",
               {command("x[ab]%y")},
               {command("xa%y"), command("x[AB]%y")}});
}

TEST(Sigma, ListsAndMapsAreOrAndAnd) {
  expect_case(
      {"sel:\n    Image|endswith: [/nc, /ncat]\ncondition: sel", {image("/a/ncat"), image("/nc")}, {image("/socat")}});
  expect_case({"sel:\n    CommandLine|contains|all: ['-c ', import]\ncondition: sel",
               {command("python import -c x")},
               {command("python -c x"), {}}});
  expect_case({"sel:\n    Image|endswith: /sh\n    CommandLine|contains: curl\ncondition: sel",
               {{{"Image", "/bin/sh"}, {"CommandLine", "curl x"}}},
               {image("/bin/sh"), command("curl x")}});
  expect_case({"sel:\n    - Image|endswith: /nmap\n    - CommandLine|contains: nmap\ncondition: sel",
               {image("/a/nmap"), command("x nmap")},
               {image("/a/ls")}});
}

TEST(Sigma, WildcardsAndEscapes) {
  expect_case(
      {"sel:\n    CommandLine: 'tar *-C /*'\ncondition: sel", {command("tar xf a -C /etc")}, {command("tar xf a")}});
  expect_case({"sel:\n    Image|endswith: '/nc?'\ncondition: sel", {image("/nc6")}, {image("/nc"), image("/nc66")}});
  expect_case(
      {"sel:\n    CommandLine: 'sh*curl*'\ncondition: sel", {command("sh -c a\ncurl b")}, {command("bash curl")}});
  expect_case({R"(sel:
    CommandLine|contains: 'chmod \*'
condition: sel)",
               {command("chmod *")},
               {command("chmod a")}});
  expect_case({R"(sel:
    CommandLine|contains: 'a\?b'
condition: sel)",
               {command("a?b")},
               {command("axb")}});
  expect_case({R"(sel:
    Image|endswith: '\cmd.exe'
condition: sel)",
               {image(R"(C:\Windows\cmd.exe)")},
               {image("C:\\Windowscmd.exe")}});
  expect_case({R"(sel:
    Image|endswith: '\\cmd.exe'
condition: sel)",
               {image(R"(C:\cmd.exe)")},
               {image("cmd.exe")}});
  expect_case({R"(sel:
    CommandLine: 'C:\\*'
condition: sel)",
               {command(R"(C:\abc)")},
               {command("C:abc")}});
  expect_case({"sel:\n    CommandLine|contains: '100%_x'\ncondition: sel",
               {command("a 100%_X")},
               {command("a 1000_x"), command("100%yx")}});
  expect_case({"sel:\n    CommandLine|contains: \"a'b\"\ncondition: sel", {command("xa'by")}, {command("ab")}});
  expect_case(
      {"sel:\n    CommandLine|contains: '%TEMP%'\ncondition: sel", {command("cd %temp%")}, {command("cd XTEMPX")}});
  expect_case({"sel:\n    CommandLine: '*'\ncondition: sel", {command(""), command("x")}, {{}}});
  expect_case({"sel:\n    CommandLine|contains: \"a\\tb\"\ncondition: sel", {command("xa\tby")}, {command("xa by")}});
  expect_case({"sel:\n    CommandLine|contains: '\u202e'\ncondition: sel", {command("a\u202eb")}, {command("ab")}});
  const std::string long_text(300, 'x');
  expect_case({("sel:\n    CommandLine|contains: " + long_text + "\ncondition: sel").c_str(),
               {command("a" + long_text)},
               {command(long_text.substr(1))}});
}

TEST(Sigma, RegularExpressions) {
  expect_case({R"(sel:
    CommandLine|re: '\s-O\s'
condition: sel)",
               {command("wget -O /tmp/x")},
               {command("wget -o /tmp/x"), {}}});
  expect_case({"sel:\n    CommandLine|re|i: mimi\ncondition: sel", {command("MiMi")}, {command("mi")}});
  expect_case(
      {"sel:\n    CommandLine|re: '(?i)/LIB/x$'\ncondition: sel", {command("/usr/lib/x")}, {command("/usr/lib/xy")}});
  expect_case({"sel:\n    CommandLine|re: '(.){200,}'\ncondition: sel",
               {command(std::string(200, 'a'))},
               {command(std::string(199, 'a'))}});
  expect_case({R"(sel:
    CommandLine|re: "['\"][0-9]{2}['\"]"
condition: sel)",
               {command("a '42' b"), command("\"42\"")},
               {command("'4'")}});
  expect_case(
      {"sel:\n    CommandLine|re: [a.c, '^x']\ncondition: sel", {command("zabc"), command("xz")}, {command("ac")}});
}

TEST(Sigma, MissingIsNeitherEmptyNorAMatch) {
  expect_case({"sel:\n    ParentImage: null\ncondition: sel", {image("x")}, {parent(""), parent("/a")}});
  expect_case({"sel:\n    ParentImage: ''\ncondition: sel", {parent("")}, {parent("a"), {}}});
  expect_case({"sel:\n    ParentImage|exists: true\ncondition: sel", {parent("")}, {image("x")}});
  expect_case({"sel:\n    ParentImage|exists: false\ncondition: sel", {image("x")}, {parent("x")}});
  expect_case({"sel:\n    Image: a\nfilter:\n    ParentImage: c\ncondition: sel and not filter",
               {image("a"), {{"Image", "a"}, {"ParentImage", "b"}}},
               {{{"Image", "a"}, {"ParentImage", "c"}}, parent("b")}});
  expect_case(
      {"sel:\n    Image: a\nfilter:\n    ParentImage: c\n    User: root\ncondition: sel and not filter",
       {image("a"), {{"Image", "a"}, {"ParentImage", "c"}}, {{"Image", "a"}, {"ParentImage", "c"}, {"User", "u"}}},
       {{{"Image", "a"}, {"ParentImage", "c"}, {"User", "root"}}}});
  expect_case(
      {"sel:\n    Image: a\nf:\n    ParentImage: c\ncondition: not (not sel or f)", {image("a")}, {image("b"), {}}});
  expect_case({"sel:\n    User|neq: root\ncondition: sel", {{{"User", "a"}}}, {{{"User", "ROOT"}}}});
  expect_case({"sel:\n    - OriginalFileName: a.exe\n    - Image: a\ncondition: sel",
               {image("a"), {{"(more)", R"({"OriginalFileName":"A.exe"})"}}},
               {image("b"), {{"(more)", R"({"Product":"A.exe"})"}}}});
  expect_case(
      {"sel:\n    Image: a\nf:\n    OriginalFileName: x\ncondition: sel and not f", {image("a")}, {image("b")}});
}

TEST(Sigma, Windash) {
  const char* const any = "sel:\n    CommandLine|contains|windash: ' -exec '\ncondition: sel";
  expect_case({any,
               {command("a /exec b"), command("a -EXEC b"), command("a \u2013exec b"), command("a \u2014exec b"),
                command("a \u2015exec b")},
               {command("a +exec b")}});
  expect_case({"sel:\n    CommandLine|contains|windash: long-name\ncondition: sel",
               {command("long-name")},
               {command("long/name")}});
  expect_case({"sel:\n    Image: r\nf_a:\n    CommandLine|contains|windash: ' -n '\ncondition: sel and not 1 of f_*",
               {{{"Image", "r"}, {"CommandLine", "r /s"}}},
               {{{"Image", "r"}, {"CommandLine", "r /s /n /u"}}, {{"Image", "r"}, {"CommandLine", "r -n -u"}}}});
}

TEST(Sigma, Encodings) {
  expect_case({"sel:\n    CommandLine|base64|contains: 'foo bar'\ncondition: sel",
               {command("x Zm9vIGJhcg== y")},
               {command("foo bar")}});
  expect_case({"sel:\n    CommandLine|base64offset|contains: 'http://'\ncondition: sel",
               {command("echo aHR0cDovL3g="), command("echo eGh0dHA6Ly94"), command("echo eXhodHRwOi8veA==")},
               {command("echo http://")}});
  expect_case({"sel:\n    CommandLine|wide|base64offset|contains: ping\ncondition: sel",
               {command("powershell -e cABpAG4AZwAgAA==")},
               {command("powershell -e cGluZw==")}});
}

TEST(Sigma, NumbersAndFields) {
  expect_case({"sel:\n    LogonId: 0\ncondition: sel", {{{"LogonId", "0"}}}, {{{"LogonId", "10"}}, {}}});
  expect_case({"sel:\n    LogonId: '0x3E7'\ncondition: sel", {{{"LogonId", "999"}}}, {{{"LogonId", "3"}}, {}}});
  expect_case({"sel:\n    LogonId|gte: 1000\ncondition: sel",
               {{{"LogonId", "1000"}}, {{"LogonId", "10000"}}},
               {{{"LogonId", "9"}}, {}}});
  expect_case({"sel:\n    CommandLine|lt: 5\ncondition: sel", {command("4.5")}, {command("5"), command("abc")}});
  expect_case({"sel:\n    CommandLine|gt: 9\ncondition: sel", {command("10")}, {command("9"), command("abc")}});
  expect_case({"sel:\n    Image|fieldref: ParentImage\ncondition: sel",
               {{{"Image", "/bin/a"}, {"ParentImage", "/BIN/A"}}},
               {{{"Image", "/bin/a"}, {"ParentImage", "/bin/b"}}, image("/bin/a")}});
  expect_case({"sel:\n    Hashes|contains: 'IMPHASH=77'\ncondition: sel",
               {{{"(more)", R"({"Hashes":"MD5=1,IMPHASH=7766"})"}}},
               {{{"sha256", std::string(64, '7')}}}});
  expect_case({"sel:\n    Hashes|contains: 'SHA256=AB'\ncondition: sel",
               {{{"sha256", "ab" + std::string(62, '0')}}},
               {{{"sha256", "cd" + std::string(62, '0')}}, {}}});
}

TEST(Sigma, KeywordsAreLookedForInEveryField) {
  expect_case({"keywords:\n    - 'rm -rf'\n    - shred\ncondition: keywords",
               {command("sudo RM -RF /x"), image("/bin/shred")},
               {image("/bin/ls")}});
  expect_case({"keywords:\n    '|all':\n        - alpha\n        - beta\ncondition: keywords",
               {{{"CommandLine", "beta"}, {"Image", "alpha"}}},
               {command("alpha")}});
  expect_case({"k:\n    - alpha\ns:\n    Image: a\ncondition: s and not k",
               {image("a")},
               {{{"Image", "a"}, {"User", "alpha"}}}});
}

TEST(Sigma, Conditions) {
  const std::string abc = "a:\n    Image: a\nb:\n    User: b\nc:\n    CommandLine: c\ncondition: ";
  const Event a = image("a"), b = {{"User", "b"}}, c = command("c"), ac = {{"Image", "a"}, {"CommandLine", "c"}},
              bc = {{"User", "b"}, {"CommandLine", "c"}};
  expect_case({(abc + "a or b and not c").c_str(), {a, ac, b}, {bc, c}});
  expect_case({(abc + "(a or b) and not c").c_str(), {a, b}, {ac, bc, c}});
  expect_case({(abc + "a AND NOT c").c_str(), {a}, {ac, b}});
  expect_case({(abc + "1 of them").c_str(), {a, b, c}, {{}}});
  expect_case({(abc + "all of them").c_str(), {{{"Image", "a"}, {"User", "b"}, {"CommandLine", "c"}}}, {ac}});
  expect_case({(abc + "\n    - a\n    - b").c_str(), {a, b}, {c}});
  expect_case({"sel_a:\n    Image: a\nsel_b:\n    Image: b\nother:\n    Image: c\ncondition: 1 of sel_*",
               {image("a"), image("b")},
               {image("c")}});
  expect_case({"sel_a_1:\n    Image: a\nsel_b_1:\n    Image: b\nsel_b_2:\n    Image: c\ncondition: 1 of s*_*_1",
               {image("a"), image("b")},
               {image("c")}});
  expect_case({"sel_a:\n    Image|contains: a\nsel_b:\n    User: b\ncondition: all of sel_*",
               {{{"Image", "a"}, {"User", "b"}}},
               {image("a")}});
  expect_case({"sel:\n    Image: a\n_help:\n    Image: b\ncondition: 1 of them", {image("a")}, {image("b")}});
  expect_case(
      {"selection_or:\n    Image: a\nnot_this:\n    User: u\nandroid:\n    CommandLine: c\ncondition: selection_or and "
       "not not_this or android",
       {image("a"), command("c")},
       {{{"Image", "a"}, {"User", "u"}}}});
}

TEST(Sigma, PlaceholdersTakeTheirValues) {
  const ConvertOptions given{.placeholders = {{"admins", {"alice", "bob"}}}};
  expect_case({"sel:\n    User|expand: '%admins%'\ncondition: sel",
               {{{"User", "alice"}}},
               {{{"User", "carol"}}, {{"User", "%admins%"}}}},
              given);
  for (const char* order : {"contains|expand", "expand|contains"})
    expect_case({("sel:\n    User|" + std::string(order) + ": 'x%admins%'\ncondition: sel").c_str(),
                 {{{"User", "aXBOBa"}}},
                 {{{"User", "bob"}}}},
                given);
  EXPECT_EQ(refusal("sel:\n    User|expand: '%others%'\ncondition: sel", given),
            "r.yml:8:22: %others% has no values; give them with --placeholders");
}

TEST(Sigma, ThousandsOfValuesAreNotTooDeep) {
  std::string many = "sel:\n    CommandLine|contains: [", emoji = "sel:\n    CommandLine|contains: [";
  for (int i = 0; i < 3'000; ++i) many += "p" + std::to_string(i) + "-x, ";
  for (int i = 0; i < 1'000; ++i) emoji += "\"é" + std::to_string(i) + "é\", ";
  expect_case(
      {(many + "last]\ncondition: sel").c_str(), {command("a p2999-x b"), command("LAST")}, {command("p3000-x")}});
  expect_case(
      {(emoji + "last]\ncondition: sel").c_str(), {command("a É999É b"), command("LAST")}, {command("é1000é")}});
}

}  // namespace
}  // namespace de::sigma
