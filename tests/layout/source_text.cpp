#include "source_text.h"

#include <algorithm>
#include <cctype>
#include <regex>

namespace de::layout {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Position after a literal that starts at `at` (a quote), with `at` pointing to the opening quote.
std::size_t end_of_literal(std::string_view text, std::size_t at) {
  if (text[at] == '"' && at > 0 && text[at - 1] == 'R') {
    const std::size_t open = text.find('(', at);
    if (open == std::string_view::npos) return text.size();
    const std::string close = ")" + std::string(text.substr(at + 1, open - at - 1)) + "\"";
    const std::size_t end = text.find(close, open);
    return end == std::string_view::npos ? text.size() : end + close.size();
  }
  std::size_t i = at + 1;
  while (i < text.size() && text[i] != text[at] && text[i] != '\n') i += text[i] == '\\' ? 2U : 1U;
  return std::min(i + 1, text.size());
}

std::size_t end_of_comment(std::string_view text, std::size_t at) {
  const bool is_line = text[at + 1] == '/';
  const std::size_t end = is_line ? text.find('\n', at) : text.find("*/", at + 2);
  if (end == std::string_view::npos) return text.size();
  return is_line ? end : end + 2;
}

enum class Bracket { Block, Init, Paren };

struct Open {
  Bracket kind;
  Statement saved;  // Of a Block: the statement around it.
};

// Collects statements while walking the text once.
class Walker {
 public:
  std::vector<Statement> walk(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') ++line_;
      if (text[i] == '#' && at_line_start(text, i)) {
        i = end_of_directive(text, i);
        continue;
      }
      step(text, i);
    }
    finish();
    return std::move(found_);
  }

 private:
  static bool at_line_start(std::string_view text, std::size_t i) {
    while (i > 0 && (text[i - 1] == ' ' || text[i - 1] == '\t')) --i;
    return i == 0 || text[i - 1] == '\n';
  }

  // The last character before the end of the line, continued lines included.
  std::size_t end_of_directive(std::string_view text, std::size_t i) {
    while (i + 1 < text.size() && (text[i + 1] != '\n' || text[i] == '\\')) {
      if (text[i + 1] == '\n') ++line_;
      ++i;
    }
    return i;
  }

  void step(std::string_view text, std::size_t i) {
    const char c = text[i];
    switch (c) {
      case '(':
      case '[':
        push(Bracket::Paren, c);
        return;
      case ')':
      case ']':
        add(c);
        if (!stack_.empty() && stack_.back().kind == Bracket::Paren) stack_.pop_back();
        return;
      case '{':
        open_brace();
        return;
      case '}':
        close_brace(text, i);
        return;
      case ';':
        if (stack_.empty() || stack_.back().kind == Bracket::Block) {
          finish();
        } else {
          add(c);
        }
        return;
      default:
        add(c);
        if (c == 't' && now_.text.ends_with("co_await") && inside_init()) now_.awaits_in_braces = true;
    }
  }

  void add(char c) {
    if (now_.text.empty()) {
      if (std::isspace(static_cast<unsigned char>(c)) != 0) return;
      now_.line = line_;
    }
    now_.text += c;
  }

  void push(Bracket kind, char c) {
    add(c);
    stack_.push_back({kind, {}});
  }

  // Between the initialising braces of the current statement (not of one around its block).
  bool inside_init() const {
    for (auto open = stack_.rbegin(); open != stack_.rend() && open->kind != Bracket::Block; ++open) {
      if (open->kind == Bracket::Init) return true;
    }
    return false;
  }

  bool begins_block() const {
    std::string_view before = now_.text;
    while (!before.empty() && std::isspace(static_cast<unsigned char>(before.back())) != 0) before.remove_suffix(1);
    if (before.empty()) return stack_.empty() || stack_.back().kind == Bracket::Block;
    static const std::regex kBlockHead(
        R"((\)|\]|\b(else|do|try|const|noexcept|override|final|mutable))$|\)\s*(mutable\s*)?->[^(){}]*$|^(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|union|enum|extern)\b[^=()]*$|:\s*$)");
    return std::regex_search(before.begin(), before.end(), kBlockHead);
  }

  void open_brace() {
    if (!begins_block()) {
      now_.has_init_braces = true;
      push(Bracket::Init, '{');
      return;
    }
    stack_.push_back({Bracket::Block, std::move(now_)});
    now_ = {};
  }

  void close_brace(std::string_view text, std::size_t i) {
    while (!stack_.empty() && stack_.back().kind == Bracket::Paren) stack_.pop_back();
    if (stack_.empty()) return;
    const Open open = std::move(stack_.back());
    stack_.pop_back();
    if (open.kind == Bracket::Init) {
      add('}');
      return;
    }
    finish();
    now_ = open.saved;
    now_.text += "{}";
    std::size_t next = i + 1;
    while (next < text.size() && std::isspace(static_cast<unsigned char>(text[next])) != 0) ++next;
    const bool goes_on = next < text.size() && std::string_view(";,)(.").find(text[next]) != std::string_view::npos;
    const bool inside = !stack_.empty() && stack_.back().kind != Bracket::Block;
    if (!goes_on && !inside) finish();
  }

  void finish() {
    static const std::regex kAwait(R"(\bco_await\b)");
    if (std::regex_search(now_.text, kAwait)) found_.push_back(now_);
    now_ = {};
  }

  std::vector<Statement> found_;
  std::vector<Open> stack_;
  Statement now_;
  int line_ = 1;
};

}  // namespace

std::string without_literals(std::string_view text, bool keep_comments) {
  std::string out(text);
  const auto blank = [&out](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (out[i] != '\n') out[i] = ' ';
    }
  };
  for (std::size_t i = 0; i < text.size();) {
    const bool is_comment = text[i] == '/' && i + 1 < text.size() && (text[i + 1] == '/' || text[i + 1] == '*');
    // A quote after a word character is a digit separator or the end of a suffix, but R" and u8" begin literals.
    const bool is_separator = text[i] == '\'' && i > 0 && is_word(text[i - 1]);
    if (is_comment) {
      const std::size_t end = end_of_comment(text, i);
      if (!keep_comments) blank(i, end);
      i = end;
    } else if ((text[i] == '"' || text[i] == '\'') && !is_separator) {
      const std::size_t end = end_of_literal(text, i);
      blank(i + 1, end - 1);
      i = end;
    } else {
      ++i;
    }
  }
  return out;
}

std::vector<Statement> awaiting_statements(std::string_view text) { return Walker().walk(text); }

std::vector<std::string> banned_shapes(const Statement& statement) {
  std::vector<std::string> out;
  static const std::regex kBinding(R"(\bauto\s*(const\s*)?&{0,2}\s*\[[^\]]*\])");
  const std::string text = std::regex_replace(statement.text, kBinding, "auto");
  if (text != statement.text) out.emplace_back("structured binding");
  // "[" that follows no value, and holds something: a lambda that captures.
  static const std::regex kCapture(R"((^|[^\w\])\s\[])\s*\[\s*[^\]\s\[])");
  static const std::regex kReturned(R"(\b(return|co_return)\s*\[\s*[^\]\s])");
  if (std::regex_search(text, kCapture) || std::regex_search(text, kReturned)) out.emplace_back("capturing lambda");
  if (text.find('?') != std::string::npos) out.emplace_back("?: operator");
  if (statement.awaits_in_braces) {
    out.emplace_back("member initialised by co_await");
  } else if (statement.has_init_braces) {
    out.emplace_back("brace-initialised temporary");
  }
  return out;
}

}  // namespace de::layout
