// What SQLite makes of a statement, as EXPLAIN shows it: instructions, where each goes on and what it writes.
//
// Thread: that of the connection; a Program is immutable once read.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::mirror {

// Those that are told apart; of the others it is only known what they write and where they go on.
enum class Op : std::uint8_t {
  Unknown,  // Not one that a loop over one table needs: nothing is said about such a program.
  Other,
  Goto,
  Halt,
  VOpen,
  VFilter,
  VNext,
  VColumn,
  Integer,
  AddImm,
  Text,
  Constant,  // That is neither.
  Null,
  Copy,
  Concat,
  Function,
  And,
  Or,
  Not,
  IsTrue,
  ZeroOrNull,
  Affinity,
  Cast,
  MakeRecord,
  OpenEphemeral,
  IdxInsert,
  Insert,  // Into what is read later on.
  ResultRow,
  If,
  IfNot,
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  Found,
  NotFound,
  Jump,  // Any other that goes on here or there.
};

struct Instruction {
  Op op = Op::Unknown;
  int p1 = 0;
  int p2 = 0;
  int p3 = 0;
  int p5 = 0;
  std::string p4;
  // Registers [first, end) are written.
  int first = 0;
  int end = 0;
};

struct Edge {
  std::size_t from = 0;
  std::size_t to = 0;
  bool jump = false;  // To p2, not to the next instruction.
};

class Program {
 public:
  static constexpr std::size_t kMaxInstructions = 8'000;  // Longer ones are not looked at.

  // Of a statement that has passed the gate. Errors: Invalid.
  static Result<Program> read(sqlite3* db, std::string_view sql);

  std::span<const Instruction> instructions() const { return instructions_; }
  const Instruction& at(std::size_t place) const { return instructions_[place]; }
  // One loop over one virtual table, of instructions that are all known.
  bool is_understood() const { return loop_.has_value(); }
  // Where each turn of the loop begins, and its cursor.
  std::size_t loop() const { return loop_.value_or(0); }
  int cursor() const { return cursor_; }
  // Those that lead to an instruction, and those that lead away from it within one turn of the loop.
  std::span<const Edge> into(std::size_t place) const { return into_[place]; }
  std::vector<Edge> out_of(std::size_t place) const;
  // The only instruction that writes the register.
  std::optional<std::size_t> only_writer(int reg) const;

 private:
  void look_at_flow();

  std::vector<Instruction> instructions_;
  std::vector<std::vector<Edge>> into_;
  std::map<int, std::vector<std::size_t>> writers_;
  std::optional<std::size_t> loop_;
  int cursor_ = 0;
};

}  // namespace de::mirror
