#include "mirror/register_values.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "daemoneye/schema/event_columns.h"

namespace de::mirror {
namespace {

constexpr int kTextAffinity = 'B';  // Of Cast.

// The affinity of one register: none of those that make numbers of texts.
bool keeps_text(std::string_view affinity) {
  return affinity.empty() || affinity == "@" || affinity == "A" || affinity == "B";
}

RegisterValue unknown() {
  RegisterValue out;
  out.sources.emplace_back();
  return out;
}

RegisterValue of_null() {
  RegisterValue out;
  out.when_true = out.when_false = Need::never();
  out.is_natural = true;
  return out;
}

RegisterValue of_integer(std::int64_t value) {
  RegisterValue out = unknown();
  (value != 0 ? out.when_false : out.when_true) = Need::never();
  out.is_natural = value >= 0;
  out.is_null = false;
  out.number = value;
  return out;
}

RegisterValue of_constant(std::string text) {
  RegisterValue out;
  out.sources.push_back({Source::Kind::Constant, {}, std::move(text)});
  out.is_null = false;
  return out;
}

// 1, 0 or NULL, or how often.
RegisterValue of_test(Need when_true, Need when_false) {
  RegisterValue out = unknown();
  out.when_true = std::move(when_true);
  out.when_false = std::move(when_false);
  out.is_natural = true;
  return out;
}

void add_source(std::vector<Source>& to, const Source& source) {
  if (std::ranges::find(to, source) == to.end()) to.push_back(source);
}

// The register holds one or the other.
void join(RegisterValue& to, const RegisterValue& other) {
  for (const Source& source : other.sources) add_source(to.sources, source);
  to.when_true = either(to.when_true, other.when_true);
  to.when_false = either(to.when_false, other.when_false);
  to.is_natural = to.is_natural && other.is_natural;
  to.is_null = to.is_null || other.is_null;
  if (to.number != other.number) to.number.reset();
}

// What functions make of the sources of their first argument.
Source in_part(const Source& from) {
  Source out = from;
  if (from.kind != Source::Kind::Column || !from.place.front.empty()) return {};
  if (from.place.form != Form::Json) out.place.form = Form::Part;
  return out;
}

Source in_basename(const Source& from) {
  Source out = in_part(from);
  if (out.kind == Source::Kind::Column && from.place.form == Form::Whole) out.place.form = Form::Basename;
  return out;
}

Source in_json(const Source& from) {
  if (from.place.form != Form::Whole && from.place.form != Form::Json) return {};
  Source out = in_part(from);
  out.place.form = Form::Json;
  return out;
}

Source as_it_is(const Source& from) { return from; }

struct Shaper {
  std::string_view name;
  Source (*shape)(const Source&);
};
constexpr Shaper kShapers[] = {
    {"->", in_json},           {"->>", in_json},         {"basename", in_basename}, {"dirname", in_part},
    {"json_extract", in_json}, {"lower", as_it_is},      {"ltrim", in_part},        {"nullif", as_it_is},
    {"regex_match", in_part},  {"regex_split", in_part}, {"rtrim", in_part},        {"split", in_part},
    {"substr", in_part},       {"substring", in_part},   {"trim", in_part},         {"upper", as_it_is}};

RegisterValue shaped(const Shaper& shaper, const RegisterValue& from) {
  RegisterValue out;
  for (const Source& source : from.sources) add_source(out.sources, shaper.shape(source));
  if (shaper.name == "dirname") add_source(out.sources, {Source::Kind::Constant, {}, "."});
  return out;
}

}  // namespace

// So that a text that may come from there has the clues.
Need need_of_text(const RegisterValue& text, const Clues& clues) {
  Need out = Need::never();
  for (const Source& source : text.sources) {
    if (source.kind == Source::Kind::Column)
      out = either(out, need_of(clues, source.place));
    else if (source.kind == Source::Kind::Other || may_have(clues, source.constant))
      return Need::always();
  }
  return out;
}

RegisterValues::RegisterValues(const Program& program, BatchKind kind) : program_(program), kind_(kind) {
  collect_constants();
}

// The items of a list are each made, put into a record and inserted, in three instructions.
void RegisterValues::collect_constants() {
  const auto all = program_.instructions();
  const auto is_next = [&](std::size_t i) { return program_.into(i).size() == 1 && !program_.into(i)[0].jump; };
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Instruction& at = all[i];
    if (at.op == Op::OpenEphemeral && at.p4.find("RTRIM") != std::string::npos) tables_[at.p1].trims_end = true;
    if (at.op != Op::IdxInsert) continue;
    ConstantTable& table = tables_[at.p1];
    if (i < 2 || !is_next(i) || !is_next(i - 1)) {
      table.is_constant = false;
      continue;
    }
    const Instruction &item = all[i - 2], &record = all[i - 1];
    const bool is_made =
        item.op == Op::Text || item.op == Op::Integer || item.op == Op::Constant || item.op == Op::Null;
    table.is_constant = table.is_constant && is_made && record.op == Op::MakeRecord && record.p3 == at.p2 &&
                        record.p2 == 1 && item.first == record.p1 && item.end == record.p1 + 1;
    table.is_text = table.is_text && item.op == Op::Text && keeps_text(record.p4);
    table.values.push_back(item.p4);
  }
}

bool RegisterValues::is_constant_table(int cursor) const {
  const auto found = tables_.find(cursor);
  return found != tables_.end() && found->second.is_constant;
}

const RegisterValue& RegisterValues::before(std::size_t place, int reg) {
  const auto [found, is_new] = known_.try_emplace({place, reg}, unknown());  // Also while it is looked for.
  if (!is_new || depth_ > kMaxDepth || steps_ > kMaxSteps) return found->second;
  ++depth_;
  const auto writer = program_.only_writer(reg);
  const Op op = writer ? program_.at(*writer).op : Op::Unknown;
  // A constant is made once, far away.
  found->second = op == Op::Text || op == Op::Integer ? written(*writer, reg) : look_back(place, reg);
  --depth_;
  return found->second;
}

// All ways back within this turn of the loop to what wrote the register last, with what was needed for going them.
RegisterValue RegisterValues::look_back(std::size_t place, int reg) {
  std::vector<std::pair<std::size_t, Need>> open = {{place, Need::always()}};
  std::set<std::size_t> seen;  // With nothing that was needed: another way there can add nothing.
  std::optional<RegisterValue> out;
  for (std::size_t steps = 0; !open.empty(); ++steps, ++steps_) {
    const auto [at, need] = std::move(open.back());
    open.pop_back();
    const auto into = program_.into(at);
    if (steps == kMaxWalk || at == program_.loop() || into.empty()) return unknown();
    if (seen.contains(at)) continue;
    if (need.is_always()) seen.insert(at);
    for (const Edge& edge : into) {
      const Need& needed = both(need, need_of(edge));
      if (needed.is_never()) continue;
      const Instruction& from = program_.at(edge.from);
      if (reg < from.first || reg >= from.end) {
        open.emplace_back(edge.from, needed);
        continue;
      }
      RegisterValue one = written(edge.from, reg);
      // A number that says what a test found, as in CASE.
      const Need reached = one.number ? both(needed, need_on_the_way(edge.from)) : needed;
      one.when_true = Need(both(one.when_true, reached));
      one.when_false = Need(both(one.when_false, reached));
      if (out)
        join(*out, one);
      else
        out = std::move(one);
    }
  }
  return out.value_or(unknown());
}

// Of the only way to the instruction, as far back as there is only one.
Need RegisterValues::need_on_the_way(std::size_t place) {
  Need out = Need::always();
  for (std::size_t i = 0; i < kMaxWay && place != program_.loop() && program_.into(place).size() == 1; ++i, ++steps_) {
    const Edge& edge = program_.into(place).front();
    out = Need(both(out, need_of(edge)));
    place = edge.from;
  }
  return out;
}

RegisterValue RegisterValues::written(std::size_t place, int reg) {
  const Instruction& at = program_.at(place);
  switch (at.op) {
    case Op::VColumn:
      return of_column(at);
    case Op::Integer:
      return of_integer(at.p1);
    case Op::AddImm:  // Makes NULL 0.
      return at.p2 == 0 && before(place, reg).is_natural ? of_test(before(place, reg).when_true, Need::always())
                                                         : unknown();
    case Op::Text:
      return of_constant(at.p4);
    case Op::Null:
      return of_null();
    case Op::Copy:
      return before(place, at.p1 + reg - at.first);
    case Op::Concat:
      return of_concat(at, place);
    case Op::Function:
      return of_function(place);
    case Op::And: {
      const RegisterValue &a = before(place, at.p1), &b = before(place, at.p2);
      return of_test(both(a.when_true, b.when_true), either(a.when_false, b.when_false));
    }
    case Op::Or: {
      const RegisterValue &a = before(place, at.p1), &b = before(place, at.p2);
      return of_test(either(a.when_true, b.when_true), both(a.when_false, b.when_false));
    }
    case Op::Not:
      return of_test(before(place, at.p1).when_false, before(place, at.p1).when_true);
    case Op::IsTrue:  // (p1 is true, p3 when it is NULL) xor p4.
      return of_test(at.p3 == 0 && at.p4 == "0" ? before(place, at.p1).when_true : Need::always(), Need::always());
    case Op::ZeroOrNull:
      return of_test(Need::never(), Need::always());
    case Op::Affinity:
    case Op::Cast: {
      const bool is_text = at.op == Op::Cast ? at.p2 == kTextAffinity : at.p2 == 1 && keeps_text(at.p4);
      RegisterValue out = is_text ? before(place, reg) : unknown();
      out.is_natural = false;
      out.number.reset();
      return out;
    }
    default:
      return unknown();
  }
}

RegisterValue RegisterValues::of_column(const Instruction& at) const {
  const auto columns = schema::event_columns();
  const std::size_t column = event_column(kind_, at.p2);
  if (at.p1 != program_.cursor() || at.p2 < 0 || column >= columns.size()) return unknown();
  if (columns[column].type != schema::SqlType::Text) return unknown();
  RegisterValue out;
  out.sources.push_back({Source::Kind::Column, {column, Form::Whole, {}}, {}});
  return out;
}

std::optional<std::string> RegisterValues::constant_at(std::size_t place, int reg) {
  const RegisterValue& value = before(place, reg);
  if (value.is_null || value.sources.size() != 1) return std::nullopt;
  if (value.sources[0].kind != Source::Kind::Constant) return std::nullopt;
  return value.sources[0].constant;
}

// r[p2] || r[p1]
RegisterValue RegisterValues::of_concat(const Instruction& at, std::size_t place) {
  const auto front = constant_at(place, at.p2);
  RegisterValue out;
  for (const Source& source : before(place, at.p1).sources) {
    const bool is_column = source.kind == Source::Kind::Column && source.place == Place{source.place.column, {}, {}};
    if (!front || !is_column) return unknown();
    add_source(out.sources, {Source::Kind::Column, {source.place.column, Form::Whole, *front}, {}});
  }
  return out;
}

RegisterValue RegisterValues::of_function(std::size_t place) {
  const Instruction& at = program_.at(place);
  const std::string_view name = std::string_view(at.p4).substr(0, at.p4.find('('));
  const int first = at.p2;
  if (const auto shaper = std::ranges::find(kShapers, name, &Shaper::name); shaper != std::end(kShapers))
    return shaped(*shaper, before(place, first));
  const bool is_instr = name == "instr";
  if (!is_instr && name != "like" && name != "glob" && name != "regexp") return unknown();
  const auto pattern = constant_at(place, is_instr ? first + 1 : first);
  Clues clues;
  if (pattern && is_instr) clues = clues_of_instr(*pattern);
  if (pattern && name == "glob") clues = clues_of_glob(*pattern);
  if (pattern && name == "regexp") clues = clues_of_regex(*pattern);
  if (pattern && at.p4 == "like(2)") clues = clues_of_like(*pattern, std::nullopt);
  if (pattern && at.p4 == "like(3)") {
    const auto escape = constant_at(place, first + 2);
    if (escape && escape->size() == 1) clues = clues_of_like(*pattern, escape->front());
  }
  return of_test(need_of_text(before(place, is_instr ? first : first + 1), clues), Need::always());
}

}  // namespace de::mirror
