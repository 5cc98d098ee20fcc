// Statements that somebody would write to break the agent: to change what it keeps, to reach what is none of theirs, or
// to keep it busy. Shared by the tests of sessions, of rule files and of the detector, and by the benchmarks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace de::hostile {

enum class Fate : std::uint8_t {
  Refused,  // By the gate, before anything runs.
  Stopped,  // By the budget or by a limit while it runs.
  Bounded,  // It may have an answer, too; what counts is that it ends.
};

struct Statement {
  std::string kind;
  Fate fate = Fate::Bounded;
  std::string sql;
  std::string why;  // Part of the reason when refused; empty: any reason will do.
};

// All of them, in a fixed order.
const std::vector<Statement>& statements();

// The parts of it, one file each.
void add_refused(std::vector<Statement>& out);
void add_endless(std::vector<Statement>& out);
void add_heavy(std::vector<Statement>& out);

std::string times(int count, std::string_view what);
// With every {} of `place` replaced.
std::string put(std::string_view place, std::string_view what);

}  // namespace de::hostile
