// What is needed for going along an edge: the tests and comparisons among a program's instructions.
#include <algorithm>

#include "mirror/register_values.h"

namespace de::mirror {
namespace {

// Of a comparison's p5.
constexpr int kJumpIfNull = 0x10;
constexpr int kNullsAreEqual = 0x80;
constexpr int kAffinityMask = 0x47;
constexpr int kNumericAffinity = 0x43;  // And those above it.

// x op `number`, x being natural and not NULL.
Need need_of_relation(const RegisterValue& x, Op op, std::int64_t number) {
  if (!x.is_natural) return Need::always();
  const bool not_zero = (op == Op::Gt && number >= 0) || (op == Op::Ge && number >= 1) ||
                        (op == Op::Eq && number != 0) || (op == Op::Ne && number == 0);
  const bool zero = (op == Op::Lt && number <= 1) || (op == Op::Le && number <= 0) || (op == Op::Eq && number == 0);
  return not_zero ? x.when_true : zero ? x.when_false : Need::always();
}

Op swapped(Op op) {
  switch (op) {
    case Op::Lt:
      return Op::Gt;
    case Op::Le:
      return Op::Ge;
    case Op::Gt:
      return Op::Lt;
    case Op::Ge:
      return Op::Le;
    default:
      return op;
  }
}

Op opposite(Op op) {
  switch (op) {
    case Op::Lt:
      return Op::Ge;
    case Op::Le:
      return Op::Gt;
    case Op::Gt:
      return Op::Le;
    case Op::Ge:
      return Op::Lt;
    case Op::Eq:
      return Op::Ne;
    default:
      return Op::Eq;
  }
}

}  // namespace

const Need& RegisterValues::need_of(const Edge& edge) {
  const auto [found, is_new] = edges_.try_emplace({edge.from, edge.jump}, Need::always());
  if (is_new) {
    Need need = look_at_edge(edge);
    found->second = std::move(need);
  }
  return found->second;
}

Need RegisterValues::look_at_edge(const Edge& edge) {
  const Instruction& at = program_.at(edge.from);
  const bool is_taken_for_null = edge.jump == ((at.p5 & kJumpIfNull) != 0);
  switch (at.op) {
    case Op::If:
      if (edge.jump == (at.p3 != 0)) break;
      return edge.jump ? before(edge.from, at.p1).when_true : before(edge.from, at.p1).when_false;
    case Op::IfNot:
      if (edge.jump == (at.p3 != 0)) break;
      return edge.jump ? before(edge.from, at.p1).when_false : before(edge.from, at.p1).when_true;
    case Op::Eq:
    case Op::Ne:
      if ((at.op == Op::Eq) == edge.jump)  // The one for equal values.
        return is_taken_for_null && (at.p5 & kNullsAreEqual) == 0 ? Need::always() : need_of_equal(edge.from);
      return is_taken_for_null || (at.p5 & kNullsAreEqual) != 0 ? Need::always() : need_of_order(edge.from, Op::Ne);
    case Op::Lt:
    case Op::Le:
    case Op::Gt:
    case Op::Ge:
      return is_taken_for_null ? Need::always() : need_of_order(edge.from, edge.jump ? at.op : opposite(at.op));
    case Op::Found:
      return edge.jump ? need_of_found(edge.from) : Need::always();
    case Op::NotFound:
      return edge.jump ? Need::always() : need_of_found(edge.from);
    default:
      break;
  }
  return Need::always();
}

// r[p3] op r[p1], neither of which is NULL.
Need RegisterValues::need_of_order(std::size_t place, Op op) {
  const Instruction& at = program_.at(place);
  const RegisterValue &left = before(place, at.p3), &right = before(place, at.p1);
  if (right.number && !right.is_null) return need_of_relation(left, op, *right.number);
  if (left.number && !left.is_null) return need_of_relation(right, swapped(op), *left.number);
  return Need::always();
}

Need RegisterValues::need_of_equal(std::size_t place) {
  const Instruction& at = program_.at(place);
  const RegisterValue &left = before(place, at.p3), &right = before(place, at.p1);
  const bool nulls_are_equal = (at.p5 & kNullsAreEqual) != 0;
  if (!nulls_are_equal && (left.number || right.number)) return need_of_order(place, Op::Eq);
  if ((at.p5 & kAffinityMask) >= kNumericAffinity) return Need::always();
  const auto is_constant = [&](const RegisterValue& one) {
    return !one.sources.empty() && !(nulls_are_equal && one.is_null) &&
           std::ranges::all_of(one.sources, [](const Source& s) { return s.kind == Source::Kind::Constant; });
  };
  if (!is_constant(left) && !is_constant(right)) return Need::always();
  const RegisterValue& constant = is_constant(right) ? right : left;
  const RegisterValue& text = is_constant(right) ? left : right;
  Need out = Need::never();
  for (const Source& source : constant.sources)
    out = either(out, need_of_text(text, clues_of_equal(source.constant, at.p4.starts_with("RTRIM"))));
  return out;
}

Need RegisterValues::need_of_found(std::size_t place) {
  const Instruction& at = program_.at(place);
  if (!is_constant_table(at.p1) || !tables_[at.p1].is_text || at.p4 != "1") return Need::always();
  const RegisterValue& text = before(place, at.p3);
  Need out = Need::never();
  for (const std::string& value : tables_[at.p1].values)
    out = either(out, need_of_text(text, clues_of_equal(value, tables_[at.p1].trims_end)));
  return out;
}

}  // namespace de::mirror
