#include "collect/redact.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "collect/secret_names.h"
#include "collect/secret_programs.h"

namespace de::collect {
namespace {

constexpr int kMaxDepth = 4;  // Shell scripts within arguments of shell scripts.

std::string_view file_name(std::string_view path) {
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  return name.starts_with('-') ? name.substr(1) : name;  // "-bash" is a login shell.
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool has_blank(std::string_view text) { return std::any_of(text.begin(), text.end(), is_blank); }
// Ends one command and starts the next in a shell.
bool ends_command(char c) { return std::string_view(";|&()`\n").find(c) != std::string_view::npos; }

std::string mask_script(std::string_view script, int depth);

std::string mask_after(std::string_view value, char separator) {
  const std::size_t at = value.find(separator);
  if (at == value.npos || at + 1 == value.size()) return std::string(value);
  return std::string(value.substr(0, at + 1)).append(kRedacted);
}

std::string mask_taken(Takes how, std::string_view value) {
  switch (how) {
    case Takes::UserPass:
      return mask_after(value, ':');
    case Takes::UserPercent:
      return mask_after(value, '%');
    case Takes::Cookie:
      return value.find('=') == value.npos ? std::string(value) : std::string(kRedacted);
    case Takes::Value:
    case Takes::GluedValue:
    case Takes::NextValue:
    case Takes::FinalWord:
      return value.empty() ? std::string() : std::string(kRedacted);
    case Takes::Nothing:
      break;
  }
  return std::string(value);
}

// Flags whose value is "name:secret". `--user` is one for curl only: elsewhere it is a name, or numbers.
bool takes_user_and_password(std::string_view flag, const SecretProgram* program) {
  if (flag == "--user") return program != nullptr && takes(*program, 'u', false) == Takes::UserPass;
  return flag == "--proxy-user" || flag == "--auth" || flag == "--basic-auth" || flag == "--creds";
}

bool looks_like_flag(std::string_view word) {
  return word.starts_with("--") || (word.size() == 2 && word[0] == '-' && word[1] != '-');
}
bool looks_like_path(std::string_view word) {
  return word.starts_with('/') || word.starts_with("./") || word.starts_with("~/") || word.starts_with("../");
}

// One command's words, one after the other; knows which program the flags belong to.
class WordMasker {
 public:
  explicit WordMasker(int depth) : depth_(depth) {}

  // `last`: no word follows in this command.
  std::string next(std::string_view word, bool last) {
    if (pending_) return finish_pending(word);
    if (final_word_secret_ && last && !word.starts_with('-')) return std::string(kRedacted);
    const bool is_program = std::exchange(first_, false);  // "-bash" is a login shell, not a flag.
    if (!is_program && word.starts_with('-') && word.size() > 1) return flag(word);
    see_program(word);
    if (word == "login") logs_in_ = true;
    ++words_;
    if (takes_script_) {
      takes_script_ = false;
      return mask_script(word, depth_ + 1);
    }
    return operand(word);
  }

 private:
  struct Pending {
    Takes how;
    bool is_key;  // A path is the name of a key file, not the key.
  };

  std::string finish_pending(std::string_view word) {
    const Pending pending = *pending_;
    pending_.reset();
    if (pending.how == Takes::Value && looks_like_flag(word)) return flag(word);  // The flag had no value.
    if (pending.is_key && looks_like_path(word)) return std::string(word);
    return mask_taken(pending.how, word);
  }

  std::string flag(std::string_view word) {
    const std::size_t equals = word.find_first_of("= \t");
    if (equals != word.npos && word[equals] == '=') return flag_with_value(word, equals);
    if (word.starts_with("--") || word.size() > 2) {
      if (takes_user_and_password(word, program_)) {
        pending_ = Pending{Takes::UserPass, false};
        return std::string(word);
      }
      const NameKind kind = equals == word.npos ? kind_of_name(word) : NameKind::Plain;
      if (kind != NameKind::Plain && is_flag_name(word)) {
        pending_ = Pending{word.find("ookie") != word.npos ? Takes::Cookie : Takes::Value, kind == NameKind::Key};
        return std::string(word);
      }
    }
    if (!word.starts_with("--"))
      if (std::optional<std::string> masked = short_flag(word)) return *masked;
    return mask_text(word);
  }

  // A single dash with a long name is a flag ("-storepass x") unless it could be "-p" with its value glued on.
  static bool is_flag_name(std::string_view word) {
    return word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == word.npos;
  }

  std::string flag_with_value(std::string_view word, std::size_t equals) {
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    const std::string head(word.substr(0, equals + 1));
    if (takes_user_and_password(name, program_)) return head + mask_after(value, ':');
    const NameKind kind = kind_of_name(name);
    if (kind == NameKind::Plain || (kind == NameKind::Key && looks_like_path(value))) {
      if (!name.starts_with("--"))
        if (std::optional<std::string> masked = short_flag(word)) return *masked;
      return mask_text(word);
    }
    return value.empty() ? head : head + std::string(kRedacted);
  }

  std::optional<std::string> short_flag(std::string_view word) {
    if (shell_ && word.size() < 8 && word.ends_with('c')) takes_script_ = true;  // -c, -lc, -euxc
    if (program_ == nullptr) return std::nullopt;
    for (std::size_t at = 1; at < word.size(); ++at) {
      const Takes how = takes(*program_, word[at], logs_in_);
      if (how != Takes::Nothing) return taken_flag(how, word, at);
      if (!may_cluster(*program_, word[at])) break;
    }
    return std::nullopt;
  }

  // The letter at `at` of `word` takes a secret.
  std::string taken_flag(Takes how, std::string_view word, std::size_t at) {
    const std::string_view glued = word.substr(at + 1);
    if (how == Takes::FinalWord) {
      final_word_secret_ = true;
    } else if (glued.empty()) {
      if (how != Takes::GluedValue) pending_ = Pending{how, false};
    } else if (how != Takes::NextValue) {
      return std::string(word.substr(0, at + 1)) + mask_taken(how, glued);
    }
    return how == Takes::NextValue && !glued.empty() ? mask_text(word) : std::string(word);
  }

  void see_program(std::string_view word) {
    if (words_ > 0 && !wrapped_) return;
    if (words_ == 0 && word.find('=') != word.npos) {  // NAME=value in front of a command.
      --words_;
      return;
    }
    const std::string_view name = file_name(word);
    if (program_ != nullptr && ends_at_command(*program_)) program_ = nullptr;
    if (const SecretProgram* program = find_program(name)) {
      program_ = program;
      logs_in_ = false;
    }
    if (is_wrapper(name)) wrapped_ = true;
    if (is_shell(name)) shell_ = true;
    if (name == "su" || name == "runuser") shell_ = true;
  }

  std::string operand(std::string_view word) const {
    const std::size_t equals = word.find('=');
    if (equals != word.npos && equals > 0) {
      const std::string_view name = word.substr(0, equals);
      const NameKind kind = is_flag_name(name) ? kind_of_name(name) : NameKind::Plain;
      const bool hides = kind == NameKind::Secret || kind == NameKind::Header ||
                         (kind == NameKind::Key && !looks_like_path(word.substr(equals + 1)));
      const bool directory = (name == "PWD" || name == "OLDPWD") && looks_like_path(word.substr(equals + 1));
      if (hides && !directory && equals + 1 < word.size())
        return std::string(word.substr(0, equals + 1)).append(kRedacted);
    }
    if (has_blank(word)) return mask_script(word, depth_ + 1);
    return mask_text(word);
  }

  const int depth_;
  const SecretProgram* program_ = nullptr;
  std::optional<Pending> pending_;
  int words_ = 0;  // Operands so far.
  bool wrapped_ = false, shell_ = false, logs_in_ = false;
  bool takes_script_ = false, final_word_secret_ = false, first_ = true;
};

// One shell word: where it is, and what it says without the quotes around it.
struct ShellWord {
  std::size_t begin = 0, end = 0;
  bool quoted = false;  // The whole word is one quoted string.
  bool starts_command = false;
};

std::vector<ShellWord> split_script(std::string_view script) {
  std::vector<ShellWord> words;
  bool new_command = true;
  std::size_t at = 0;
  while (at < script.size()) {
    if (is_blank(script[at]) || ends_command(script[at])) {
      new_command |= ends_command(script[at]);
      ++at;
      continue;
    }
    ShellWord word{at, at, false, new_command};
    char quote = 0;
    while (at < script.size()) {
      const char c = script[at];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (is_blank(c) || ends_command(c)) {
        break;
      }
      const bool escapes = c == '\\' && quote != '\'' && at + 1 < script.size();
      at += escapes ? 2U : 1U;
    }
    word.end = std::min(at, script.size());
    const std::string_view text = script.substr(word.begin, word.end - word.begin);
    word.quoted = text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0] &&
                  text.find(text[0], 1) == text.size() - 1;
    words.push_back(word);
    new_command = false;
  }
  return words;
}

std::string mask_script(std::string_view script, int depth) {
  if (depth > kMaxDepth) return mask_text(script);
  const std::vector<ShellWord> words = split_script(script);
  std::string out;
  out.reserve(script.size());
  std::size_t copied = 0;
  std::optional<WordMasker> command;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const ShellWord& word = words[i];
    if (word.starts_command || !command) command.emplace(depth);
    const bool last = i + 1 == words.size() || words[i + 1].starts_command;
    const std::size_t trim = word.quoted ? 1 : 0;
    out.append(script.substr(copied, word.begin + trim - copied));
    out.append(command->next(script.substr(word.begin + trim, word.end - word.begin - 2 * trim), last));
    copied = word.end - trim;
  }
  out.append(script.substr(copied));
  // Pairs that are several shell words ("password: x") only show in the whole text.
  return mask_text(out);
}

}  // namespace

std::vector<std::string> mask_arguments(std::span<const std::string_view> argv) {
  std::vector<std::string> out;
  out.reserve(argv.size());
  WordMasker command(0);
  for (std::size_t i = 0; i < argv.size(); ++i) out.push_back(command.next(argv[i], i + 1 == argv.size()));
  return out;
}

}  // namespace de::collect
