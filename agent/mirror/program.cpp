#include "mirror/program.h"

#include <algorithm>
#include <utility>

#include "mirror/database.h"

namespace de::mirror {
namespace {

// Which registers an instruction writes, by the names of its operands.
enum class Writes : std::uint8_t { Nothing, P1, P2, P3, FromP2ToP3, P2AndMore, P1AndMore };

struct OpRow {
  std::string_view name;
  Op op;
  Writes writes;
};

// By name. What is not here makes a program one that is not understood: Gosub, Yield, Move, AggStep, ...
constexpr OpRow kOps[] = {
    {"Add", Op::Other, Writes::P3},
    {"AddImm", Op::AddImm, Writes::P1},
    {"Affinity", Op::Affinity, Writes::P1AndMore},
    {"And", Op::And, Writes::P3},
    {"BeginSubrtn", Op::Null, Writes::FromP2ToP3},
    {"BitAnd", Op::Other, Writes::P3},
    {"BitNot", Op::Other, Writes::P2},
    {"BitOr", Op::Other, Writes::P3},
    {"Blob", Op::Constant, Writes::P2},
    {"Cast", Op::Cast, Writes::P1},
    {"CollSeq", Op::Other, Writes::P1},
    {"Column", Op::Other, Writes::P3},
    {"Concat", Op::Concat, Writes::P3},
    {"Copy", Op::Copy, Writes::P2AndMore},
    {"Divide", Op::Other, Writes::P3},
    {"Eq", Op::Eq, Writes::Nothing},
    {"Explain", Op::Other, Writes::Nothing},
    {"Found", Op::Found, Writes::Nothing},
    {"Function", Op::Function, Writes::P3},
    {"Ge", Op::Ge, Writes::Nothing},
    {"Goto", Op::Goto, Writes::Nothing},
    {"Gt", Op::Gt, Writes::Nothing},
    {"Halt", Op::Halt, Writes::Nothing},
    {"IdxInsert", Op::IdxInsert, Writes::Nothing},
    {"If", Op::If, Writes::Nothing},
    {"IfNot", Op::IfNot, Writes::Nothing},
    {"Init", Op::Goto, Writes::Nothing},
    {"Int64", Op::Constant, Writes::P2},
    {"Integer", Op::Integer, Writes::P2},
    {"IsNull", Op::Jump, Writes::Nothing},
    {"IsTrue", Op::IsTrue, Writes::P2},
    {"Le", Op::Le, Writes::Nothing},
    {"Lt", Op::Lt, Writes::Nothing},
    {"MakeRecord", Op::MakeRecord, Writes::P3},
    {"Multiply", Op::Other, Writes::P3},
    {"Ne", Op::Ne, Writes::Nothing},
    {"Next", Op::Jump, Writes::Nothing},
    {"Noop", Op::Other, Writes::Nothing},
    {"Not", Op::Not, Writes::P2},
    {"NotFound", Op::NotFound, Writes::Nothing},
    {"NotNull", Op::Jump, Writes::Nothing},
    {"Null", Op::Null, Writes::FromP2ToP3},
    {"NullRow", Op::Other, Writes::Nothing},
    {"Once", Op::Jump, Writes::Nothing},
    {"OpenEphemeral", Op::OpenEphemeral, Writes::Nothing},
    {"OpenPseudo", Op::Other, Writes::Nothing},
    {"Or", Op::Or, Writes::P3},
    {"PureFunc", Op::Function, Writes::P3},
    {"Real", Op::Constant, Writes::P2},
    {"RealAffinity", Op::Other, Writes::P1},
    {"Remainder", Op::Other, Writes::P3},
    {"ResultRow", Op::ResultRow, Writes::Nothing},
    {"Return", Op::Other, Writes::Nothing},  // Without Gosub: goes on.
    {"Rewind", Op::Jump, Writes::Nothing},
    {"Rowid", Op::Other, Writes::P2},
    {"SCopy", Op::Copy, Writes::P2},
    {"Sequence", Op::Other, Writes::P2},
    {"ShiftLeft", Op::Other, Writes::P3},
    {"ShiftRight", Op::Other, Writes::P3},
    {"Sort", Op::Jump, Writes::Nothing},
    {"SorterData", Op::Other, Writes::P2},
    {"SorterInsert", Op::Insert, Writes::Nothing},
    {"SorterNext", Op::Jump, Writes::Nothing},
    {"SorterOpen", Op::Other, Writes::Nothing},
    {"SorterSort", Op::Jump, Writes::Nothing},
    {"String", Op::Text, Writes::P2},
    {"String8", Op::Text, Writes::P2},
    {"Subtract", Op::Other, Writes::P3},
    {"Transaction", Op::Other, Writes::Nothing},
    {"VColumn", Op::VColumn, Writes::P3},
    {"VFilter", Op::VFilter, Writes::Nothing},
    {"VNext", Op::VNext, Writes::Nothing},
    {"VOpen", Op::VOpen, Writes::Nothing},
    {"ZeroOrNull", Op::ZeroOrNull, Writes::P2},
};

void note_writes(Writes writes, Instruction& at) {
  const auto range = [&](int first, int count) {
    at.first = first;
    at.end = first + count;
  };
  switch (writes) {
    case Writes::Nothing:
      return;
    case Writes::P1:
      return range(at.p1, 1);
    case Writes::P2:
      return range(at.p2, 1);
    case Writes::P3:
      return range(at.p3, 1);
    case Writes::FromP2ToP3:
      return range(at.p2, std::max(at.p3 - at.p2 + 1, 1));
    case Writes::P2AndMore:  // Copy: P3 more than one.
      return range(at.p2, at.p3 + 1);
    case Writes::P1AndMore:
      return range(at.p1, at.p2);
  }
}

Instruction read_instruction(sqlite3_stmt* stmt) {
  Instruction out;
  const std::string_view name = text_at(stmt, 1);
  out.p1 = sqlite3_column_int(stmt, 2);
  out.p2 = sqlite3_column_int(stmt, 3);
  out.p3 = sqlite3_column_int(stmt, 4);
  out.p4 = text_at(stmt, 5);
  out.p5 = sqlite3_column_int(stmt, 6);
  const auto row = std::ranges::lower_bound(kOps, name, {}, &OpRow::name);
  if (row == std::end(kOps) || row->name != name) return out;
  out.op = row->op;
  note_writes(row->writes, out);
  return out;
}

bool goes_on(Op op) { return op != Op::Goto && op != Op::Halt; }
bool jumps(Op op) { return op == Op::Goto || op == Op::VFilter || op == Op::VNext || op >= Op::If; }

}  // namespace

Result<Program> Program::read(sqlite3* db, std::string_view sql) {
  DE_TRY(stmt, prepare_explain(db, "EXPLAIN ", sql));
  Program out;
  while (sqlite3_step(stmt.get()) == SQLITE_ROW) {
    if (out.instructions_.size() == kMaxInstructions) return Program();
    out.instructions_.push_back(read_instruction(stmt.get()));
  }
  out.look_at_flow();
  return out;
}

void Program::look_at_flow() {
  const std::size_t count = instructions_.size();
  int loops = 0;
  bool is_known = true;
  std::size_t loop = 0;
  if (count == 0) return;
  into_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Instruction& at = instructions_[i];
    if (at.op == Op::Unknown || (goes_on(at.op) && i + 1 == count)) is_known = false;
    if (jumps(at.op) && (at.p2 < 0 || static_cast<std::size_t>(at.p2) >= count)) is_known = false;
    if (!is_known) return;
    if (at.op == Op::VOpen) cursor_ = at.p1;
    if (at.op == Op::VNext) loop = static_cast<std::size_t>(at.p2);
    loops += at.op == Op::VOpen || at.op == Op::VNext || at.op == Op::VFilter ? 1 : 0;
    if (jumps(at.op)) into_[static_cast<std::size_t>(at.p2)].push_back({i, static_cast<std::size_t>(at.p2), true});
    if (goes_on(at.op)) into_[i + 1].push_back({i, i + 1, false});
    for (int reg = at.first; reg < at.end; ++reg) writers_[reg].push_back(i);
  }
  // The filter goes on where each turn begins: no row comes about otherwise.
  const bool begins_there = std::ranges::any_of(
      into_[loop], [&](const Edge& edge) { return instructions_[edge.from].op == Op::VFilter && !edge.jump; });
  if (loops == 3 && begins_there) loop_ = loop;
}

std::vector<Edge> Program::out_of(std::size_t place) const {
  const Instruction& at = instructions_[place];
  std::vector<Edge> out;
  if (at.op == Op::VNext) return out;
  if (jumps(at.op)) out.push_back({place, static_cast<std::size_t>(at.p2), true});
  if (goes_on(at.op)) out.push_back({place, place + 1, false});
  return out;
}

std::optional<std::size_t> Program::only_writer(int reg) const {
  const auto found = writers_.find(reg);
  if (found == writers_.end() || found->second.size() != 1) return std::nullopt;
  return found->second.front();
}

}  // namespace de::mirror
