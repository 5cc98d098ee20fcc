// Where the values in a program's registers come from, and what must be in the row for them to be true or false.
//
// Thread: any; one RegisterValues belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mirror/batch_table.h"
#include "mirror/literal.h"
#include "mirror/program.h"
#include "mirror/text_need.h"

namespace de::mirror {

// A text that a register may hold. What is neither of a column nor a constant is Other.
struct Source {
  enum class Kind : std::uint8_t { Column, Constant, Other };
  Kind kind = Kind::Other;
  Place place;           // Of a column.
  std::string constant;  // Of a constant.
  friend bool operator==(const Source&, const Source&) = default;
};

struct RegisterValue {
  std::vector<Source> sources;  // Without any it is NULL.
  Need when_true = Need::always();
  Need when_false = Need::always();
  bool is_natural = false;  // NULL or a whole number that is not negative.
  bool is_null = true;      // It can be NULL.
  std::optional<std::int64_t> number;
};

// So that a text that may come from there has the clues.
Need need_of_text(const RegisterValue& text, const Clues& clues);

// The list of `x IN (...)`.
struct ConstantTable {
  bool is_constant = true;
  bool is_text = true;  // All of them are, and stay it.
  bool trims_end = false;
  std::vector<std::string> values;
};

class RegisterValues {
 public:
  // The program outlives it, and is understood.
  RegisterValues(const Program& program, BatchKind kind);
  // What is needed in the row for going along the edge.
  const Need& need_of(const Edge& edge);
  // Of an insertion: into a table of constants, which is the same in each turn of the loop.
  bool is_constant_table(int cursor) const;

 private:
  static constexpr std::size_t kMaxSteps = 100'000;  // Of all looks back in one program.
  static constexpr std::size_t kMaxWalk = 200;       // Of one.
  static constexpr std::size_t kMaxWay = 50;
  static constexpr int kMaxDepth = 300;

  // Before the instruction at `place`.
  const RegisterValue& before(std::size_t place, int reg);
  RegisterValue look_back(std::size_t place, int reg);
  Need need_on_the_way(std::size_t place);
  RegisterValue written(std::size_t place, int reg);
  RegisterValue of_column(const Instruction& at) const;
  RegisterValue of_concat(const Instruction& at, std::size_t place);
  RegisterValue of_function(std::size_t place);
  std::optional<std::string> constant_at(std::size_t place, int reg);
  Need look_at_edge(const Edge& edge);  // edge_needs.cpp
  Need need_of_equal(std::size_t place);
  Need need_of_order(std::size_t place, Op op);
  Need need_of_found(std::size_t place);
  void collect_constants();

  const Program& program_;
  const BatchKind kind_;
  std::map<std::pair<std::size_t, int>, RegisterValue> known_;
  std::map<std::pair<std::size_t, bool>, Need> edges_;
  std::map<int, ConstantTable> tables_;  // By cursor.
  std::size_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace de::mirror
