#include "collect/redact.h"

#include <gtest/gtest.h>

#include "collect/secret_names.h"

namespace de::collect {
namespace {

// Arguments are written with '|' between them.
std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = line.find('|');
    out.push_back(line.substr(0, end));
    if (end == line.npos) return out;
    line.remove_prefix(end + 1);
  }
}

std::string masked(std::string_view line) {
  std::string out;
  const std::vector<std::string_view> argv = split(line);
  const std::vector<std::string> result = mask_arguments(argv);
  EXPECT_EQ(argv.size(), result.size()) << line;
  for (std::size_t i = 0; i < result.size(); ++i) out += (i > 0 ? "|" : "") + result[i];
  return out;
}

struct Masked {
  const char* line;
  const char* expected;
};

TEST(Redact, MasksSecrets) {
  // <*> stands for what was masked.
  for (const Masked& c : {
           Masked{"mysql|-uroot|-pS3cret|shop", "mysql|-uroot|-p<*>|shop"},
           Masked{"/usr/bin/mysqldump|--password=S3cret|shop", "/usr/bin/mysqldump|--password=<*>|shop"},
           Masked{"mariadb|-u|root|-pS3cret", "mariadb|-u|root|-p<*>"},
           Masked{"mysqladmin|--password|S3cret|ping", "mysqladmin|--password|<*>|ping"},
           Masked{"sshpass|-p|S3cret|ssh|-p|22|host", "sshpass|-p|<*>|ssh|-p|22|host"},
           Masked{"sshpass|-pS3cret|ssh|host", "sshpass|-p<*>|ssh|host"},
           Masked{"curl|-u|admin:S3cret|https://h/", "curl|-u|admin:<*>|https://h/"},
           Masked{"curl|-uadmin:S3cret|https://h/", "curl|-uadmin:<*>|https://h/"},
           Masked{"curl|-sSku|admin:S3cret|https://h/", "curl|-sSku|admin:<*>|https://h/"},
           Masked{"curl|--user|admin:S3cret|https://h/", "curl|--user|admin:<*>|https://h/"},
           Masked{"curl|--user=admin:S3cret|https://h/", "curl|--user=admin:<*>|https://h/"},
           Masked{"curl|-H|Authorization: Bearer abc.def|https://h/", "curl|-H|Authorization: <*>|https://h/"},
           Masked{"curl|-H|X-Api-Key: abcdef|https://h/", "curl|-H|X-Api-Key: <*>|https://h/"},
           Masked{"curl|--header|Cookie: sid=1; user=2|https://h/", "curl|--header|Cookie: <*>|https://h/"},
           Masked{"curl|-HAuthorization: Basic YWJj|https://h/", "curl|-HAuthorization: <*>|https://h/"},
           Masked{"curl|-b|sid=abc|https://h/", "curl|-b|<*>|https://h/"},
           Masked{"curl|https://admin:S3cret@h/path", "curl|https://admin:<*>@h/path"},
           Masked{"curl|https://h/?a=1&access_token=abc&b=2", "curl|https://h/?a=1&access_token=<*>&b=2"},
           Masked{"curl|-d|{\"user\":\"x\",\"password\":\"S3 cret\"}|https://h/",
                  "curl|-d|{\"user\":\"x\",\"password\":\"<*>\"}|https://h/"},
           Masked{"curl|--oauth2-bearer|abcdef|https://h/", "curl|--oauth2-bearer|<*>|https://h/"},
           Masked{"wget|--http-password=S3cret|https://h/", "wget|--http-password=<*>|https://h/"},
           Masked{"psql|postgresql://app:S3cret@db:5432/shop", "psql|postgresql://app:<*>@db:5432/shop"},
           Masked{"psql|host=db user=app password=S3cret dbname=shop",
                  "psql|host=db user=app password=<*> dbname=shop"},
           Masked{"env|PGPASSWORD=S3cret|psql|-h|db", "env|PGPASSWORD=<*>|psql|-h|db"},
           Masked{"env|AWS_SECRET_ACCESS_KEY=abc/def|aws|s3|ls", "env|AWS_SECRET_ACCESS_KEY=<*>|aws|s3|ls"},
           Masked{"env|MYSQL_PWD=S3cret two|mysql", "env|MYSQL_PWD=<*>|mysql"},
           Masked{"redis-cli|-h|db|-a|S3cret|ping", "redis-cli|-h|db|-a|<*>|ping"},
           Masked{"mongosh|-u|root|-p|S3cret|db", "mongosh|-u|root|-p|<*>|db"},
           Masked{"smbclient|//srv/share|-U|bob%S3cret", "smbclient|//srv/share|-U|bob%<*>"},
           Masked{"ldapsearch|-D|cn=x|-w|S3cret|-b|dc=y", "ldapsearch|-D|cn=x|-w|<*>|-b|dc=y"},
           Masked{"docker|login|-u|bob|-p|S3cret|registry", "docker|login|-u|bob|-p|<*>|registry"},
           Masked{"docker|run|-e|DB_PASSWORD=S3cret|-p|80:80|app", "docker|run|-e|DB_PASSWORD=<*>|-p|80:80|app"},
           Masked{"docker|exec|db|mysql|-pS3cret|shop", "docker|exec|db|mysql|-p<*>|shop"},
           Masked{"kubectl|create|secret|generic|x|--from-literal=password=S3cret",
                  "kubectl|create|secret|generic|x|--from-literal=password=<*>"},
           Masked{"kubectl|exec|db-0|--|mysql|-pS3cret", "kubectl|exec|db-0|--|mysql|-p<*>"},
           Masked{"oc|login|--token=sha256~abc", "oc|login|--token=<*>"},
           Masked{"java|-Dspring.datasource.password=S3cret|-jar|app.jar",
                  "java|-Dspring.datasource.password=<*>|-jar|app.jar"},
           Masked{"java|-Djavax.net.ssl.keyStorePassword=S3cret|App", "java|-Djavax.net.ssl.keyStorePassword=<*>|App"},
           Masked{"keytool|-list|-storepass|changeit|-keystore|k.jks", "keytool|-list|-storepass|<*>|-keystore|k.jks"},
           Masked{"openssl|enc|-aes-256-cbc|-k|S3cret|-in|f", "openssl|enc|-aes-256-cbc|-k|<*>|-in|f"},
           Masked{"openssl|rsa|-passin|pass:S3cret|-in|k.pem", "openssl|rsa|-passin|<*>|-in|k.pem"},
           Masked{"zip|-P|S3cret|a.zip|f", "zip|-P|<*>|a.zip|f"},
           Masked{"7z|x|-pS3cret|a.7z", "7z|x|-p<*>|a.7z"},
           Masked{"ipmitool|-H|bmc|-U|root|-P|S3cret|power|on", "ipmitool|-H|bmc|-U|root|-P|<*>|power|on"},
           Masked{"snmpwalk|-v2c|-c|private|10.0.0.1", "snmpwalk|-v2c|-c|<*>|10.0.0.1"},
           Masked{"htpasswd|-bc|file|bob|S3cret", "htpasswd|-bc|file|bob|<*>"},
           Masked{"useradd|-m|-p|$6$abc|bob", "useradd|-m|-p|<*>|bob"},
           Masked{"git|clone|https://oauth2:glpat-abc@gitlab/x.git", "git|clone|https://oauth2:<*>@gitlab/x.git"},
           Masked{"git|clone|https://ghp_0123456789abcdef0123456789abcdef0123@github.com/x",
                  "git|clone|https://<*>@github.com/x"},
           Masked{"tool|--api-key|abc", "tool|--api-key|<*>"},
           Masked{"tool|--api_key=abc", "tool|--api_key=<*>"},
           Masked{"tool|--client-secret|abc", "tool|--client-secret|<*>"},
           Masked{"tool|--TOKEN|abc", "tool|--TOKEN|<*>"},
           Masked{"tool|ghp_0123456789abcdef0123456789abcdef0123", "tool|<*>"},
           Masked{"bash|-c|mysql -u root -pS3cret shop < dump.sql", "bash|-c|mysql -u root -p<*> shop < dump.sql"},
           Masked{"sh|-c|export PASSWORD=S3cret; curl -u a:b https://h/",
                  "sh|-c|export PASSWORD=<*>; curl -u a:<*> https://h/"},
           Masked{"/bin/bash|-lc|PASSWORD=x ls -l /tmp", "/bin/bash|-lc|PASSWORD=<*> ls -l /tmp"},
           Masked{"bash|-c|curl -H \"Authorization: Bearer abc\" https://h/",
                  "bash|-c|curl -H \"Authorization: <*>\" https://h/"},
           Masked{"bash|-c|sh -c 'sshpass -p S3cret ssh host'", "bash|-c|sh -c 'sshpass -p <*> ssh host'"},
           Masked{"sudo|-u|bob|mysql|-pS3cret", "sudo|-u|bob|mysql|-p<*>"},
           Masked{"ssh|host|mysql -pS3cret shop", "ssh|host|mysql -p<*> shop"},
           Masked{"timeout|5|redis-cli|-a|S3cret", "timeout|5|redis-cli|-a|<*>"},
           Masked{"mount|-t|cifs|//s/x|/mnt|-o|username=bob,password=S3cret,uid=1",
                  "mount|-t|cifs|//s/x|/mnt|-o|username=bob,password=<*>,uid=1"},
           Masked{"sqlcmd|-S|db|-U|sa|-P|S3cret", "sqlcmd|-S|db|-U|sa|-P|<*>"},
           Masked{"influx|query|-t|abcdef|x", "influx|query|-t|<*>|x"},
           Masked{"-bash|--password|S3cret", "-bash|--password|<*>"},
           Masked{"ansible-playbook|--private-key|inlinekey|site.yml", "ansible-playbook|--private-key|<*>|site.yml"},
           Masked{"python3|app.py|password = \"S3cret\"", "python3|app.py|password = \"<*>\""},
       }) {
    std::string expected = c.expected;
    for (std::size_t at; (at = expected.find("<*>")) != expected.npos;) expected.replace(at, 3, kRedacted);
    EXPECT_EQ(masked(c.line), expected) << c.line;
  }
}

TEST(Redact, LeavesEverythingElse) {
  for (const char* line : {
           "ps|-p|1",
           "ssh|-p|22|host",
           "ssh|-p22|host|uptime",
           "scp|-P|2222|a|host:b",
           "nmap|-p|1-1000|10.0.0.0/8",
           "mkdir|-p|/a/b",
           "cp|-p|-r|a|b",
           "tar|-xpf|a.tar",
           "docker|run|-p|8080:80|--user|1000:1000|-t|nginx",
           "kill|-s|TERM|42",
           "sort|-t|,|-k|2|f",
           "grep|-s|-k|password|file",
           "grep|-rn|password|/etc",
           "curl|-s|-k|https://h/path",
           "curl|-sSfL|-o|out|https://h/?page=2",
           "mysql|-u|root|-p|shop",
           "mysqld|--port=3306|--datadir=/var/lib/mysql",
           "psql|--no-password|-h|db",
           "psql|--password|-h|db",
           "tool|--password-file|/run/secrets/x",
           "tool|--password-stdin",
           "tool|--token-ttl|1h",
           "tool|--max-tokens|100",
           "tool|--ask-pass",
           "tool|--secret-name|db",
           "ansible-playbook|--private-key|/home/a/.ssh/id|site.yml",
           "ansible-playbook|--ask-become-pass|site.yml",
           "openssl|req|-key|k.pem|-new|-x509",
           "env|PWD=/home/bob|ls",
           "git|clone|ssh://git@github.com/a/b.git",
           "git|clone|git@github.com:a/b.git",
           "rsync|-avz|bob@host:/a|/b",
           "nginx: master process /usr/sbin/nginx",
           "postgres: app shop 10.0.0.1(5432) idle",
           "sshd: bob [priv]",
           "/usr/lib/systemd/systemd|--user",
           "systemctl|--user|start|foo:bar",
           "java|-Xmx4g|-Dfile.encoding=UTF-8|-jar|app.jar",
           "python3|-m|http.server|8000",
           "find|/|-name|*.key",
           "kubectl|get|secret|db",
           "kubectl|port-forward|svc/x|8080:80",
           "apt-key|add|key.asc",
           "gpg|--keyserver|hkps://keys.openpgp.org|--recv-keys|ABCD",
           "docker|pull|nginx:1.25@sha256:0123456789abcdef",
           "bash|-c|ps -p 1 && nmap -p 1-10 h",
           "watch|-n|5|df -h",
           "passwd|bob",
           "ls|--author",
           "sed|-e|s/a/b/g|f",
           "xargs|-P|4|-n|1|gzip",
           "timeout|10|sleep|5",
           "tmux|new-session|-s|work",
           "awk|{print $1: $2}|f",
       })
    EXPECT_EQ(masked(line), line);
}

TEST(Redact, EnvironmentIsMaskedMoreBroadly) {
  EXPECT_EQ(mask_environment("GITHUB_TOKEN=abc"), "GITHUB_TOKEN=[REDACTED]");
  EXPECT_EQ(mask_environment("STRIPE_KEY=abc"), "STRIPE_KEY=[REDACTED]");
  EXPECT_EQ(mask_environment("MYSQL_PWD=abc"), "MYSQL_PWD=[REDACTED]");
  EXPECT_EQ(mask_environment("DATABASE_URL=postgres://a:b@h/d"), "DATABASE_URL=postgres://a:[REDACTED]@h/d");
  EXPECT_EQ(mask_environment("PWD=/home/bob"), "PWD=/home/bob");
  EXPECT_EQ(mask_environment("SSH_AUTH_SOCK=/tmp/x"), "SSH_AUTH_SOCK=/tmp/x");
  EXPECT_EQ(mask_environment("PATH=/bin:/usr/bin"), "PATH=/bin:/usr/bin");
  EXPECT_EQ(mask_environment("PASSWORD="), "PASSWORD=");
  EXPECT_EQ(mask_environment("no separator"), "no separator");
}

TEST(Redact, MaskingTwiceChangesNothing) {
  const std::string once = mask_text("url=https://a:b@h/?token=x Authorization: Bearer y");
  EXPECT_EQ(mask_text(once), once);
}

TEST(Redact, LargeHostileTextTakesLinearTime) {
  for (const std::string_view piece :
       {"a=", "://", "password:", "'", "\\\"", "token=\"", "x ", "-p", "eyJ.", "$(", "("}) {
    std::string text;
    while (text.size() < 1'000'000) text += piece;
    const std::string_view argument = text;
    const std::vector<std::string> out = mask_arguments(std::span(&argument, 1));
    EXPECT_EQ(out.size(), 1u);
    const std::string_view script[] = {"sh", "-c", text};
    EXPECT_EQ(mask_arguments(script).size(), 3u);
  }
}

TEST(SecretNames, TokensAreKnownByShape) {
  EXPECT_EQ(token_length("ghp_0123456789abcdef0123456789abcdef0123 x"), 40u);
  EXPECT_EQ(token_length("ghp_short"), 0u);
  EXPECT_EQ(token_length("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk"), 52u);
  EXPECT_EQ(token_length("eyJhbGciOiJIUzI1NiJ9eyJzdWIiOiIxMjM0In0abcdefghijk"), 0u);
}

}  // namespace
}  // namespace de::collect
