#include "mirror/literals.h"

#include <algorithm>
#include <limits>

namespace de::mirror {
namespace {

constexpr std::int64_t kNoCut = std::int64_t{1} << 50;
// A cut whose literals are in nearly every event spares nothing.
constexpr std::int64_t kMaxCutCost = 2 * kCommon;
// And a further one must be worth looking for: of a pack of rules, all ask whether it is an exec.
constexpr std::int64_t kMaxFurtherCost = kCommon / 2;
// Looks at edges; enough for statements of thousands of literals. The others must be asked every time.
constexpr std::size_t kMaxLooks = 4'000'000;

// The cheapest edges that part the first node from the last: the most that can flow (Dinic).
class Flow {
 public:
  explicit Flow(std::size_t nodes) : first_(nodes, kNone) {}

  std::size_t add(std::size_t from, std::size_t to, std::int64_t capacity) {
    arcs_.push_back({to, first_[from], capacity});
    first_[from] = arcs_.size() - 1;
    arcs_.push_back({from, first_[to], 0});
    first_[to] = arcs_.size() - 1;
    return arcs_.size() - 2;
  }
  void raise(std::size_t arc) { arcs_[arc].left += kNoCut; }

  // False: there is no cut, or it takes too long to find it.
  bool fill(std::size_t from, std::size_t to) {
    while (is_within_limits() && find_levels(from, to)) {
      next_ = first_;
      while (is_within_limits() && push(from, to)) {
      }
    }
    return is_within_limits();
  }
  std::int64_t total() const { return total_; }
  // After fill(): on the side of the first node?
  bool is_before_cut(std::size_t node) const { return level_[node] >= 0; }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  struct Arc {
    std::size_t to;
    std::size_t next;
    std::int64_t left;
  };

  bool is_within_limits() const { return total_ < kNoCut && looks_ < kMaxLooks; }
  bool find_levels(std::size_t from, std::size_t to);
  bool push(std::size_t from, std::size_t to);

  std::vector<Arc> arcs_;
  std::vector<std::size_t> first_, next_;
  std::vector<int> level_;
  std::vector<std::size_t> queue_, path_;
  std::int64_t total_ = 0;
  std::size_t looks_ = 0;
};

bool Flow::find_levels(std::size_t from, std::size_t to) {
  level_.assign(first_.size(), -1);
  level_[from] = 0;
  queue_.assign(1, from);
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    for (std::size_t arc = first_[queue_[i]]; arc != kNone; arc = arcs_[arc].next, ++looks_) {
      if (arcs_[arc].left == 0 || level_[arcs_[arc].to] >= 0) continue;
      level_[arcs_[arc].to] = level_[queue_[i]] + 1;
      queue_.push_back(arcs_[arc].to);
    }
  }
  return level_[to] >= 0;
}

// One way to the end, level by level.
bool Flow::push(std::size_t from, std::size_t to) {
  path_.clear();
  for (std::size_t at = from; at != to;) {
    std::size_t& arc = next_[at];
    while (arc != kNone && (arcs_[arc].left == 0 || level_[arcs_[arc].to] != level_[at] + 1)) {
      arc = arcs_[arc].next;
      ++looks_;
    }
    if (arc != kNone) {
      path_.push_back(arc);
      at = arcs_[arc].to;
    } else if (path_.empty()) {
      return false;
    } else {  // A dead end: back, and past it.
      at = arcs_[path_.back() ^ 1U].to;
      next_[at] = arcs_[next_[at]].next;
      path_.pop_back();
    }
    ++looks_;
  }
  std::int64_t least = kNoCut;
  for (const std::size_t arc : path_) least = std::min(least, arcs_[arc].left);
  for (const std::size_t arc : path_) {
    arcs_[arc].left -= least;
    arcs_[arc ^ 1U].left += least;
  }
  total_ += least;
  return true;
}

struct GatedEdge {
  Edge edge;
  std::size_t arc = 0;
  const Need* need = nullptr;
};

// What a turn of the loop leaves behind.
bool is_end(const Instruction& at, const RegisterValues& values) {
  return at.op == Op::ResultRow || at.op == Op::Insert || (at.op == Op::IdxInsert && !values.is_constant_table(at.p1));
}

// The edges of one turn; those that need something are returned. The node behind the last instruction is the end.
std::vector<GatedEdge> lay_out(const Program& program, RegisterValues& values, Flow& flow) {
  const std::size_t end = program.instructions().size();
  std::vector<GatedEdge> out;
  std::vector<char> seen(end, 0);
  std::vector<std::size_t> open = {program.loop()};
  seen[program.loop()] = 1;
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    if (is_end(program.at(at), values)) {
      flow.add(at, end, kNoCut);
      continue;
    }
    for (const Edge& edge : program.out_of(at)) {
      const Need& need = values.need_of(edge);
      if (need.is_never()) continue;
      const std::size_t arc = flow.add(at, edge.to, need.is_always() ? kNoCut : need.cost());
      if (!need.is_always()) out.push_back({edge, arc, &need});
      if (seen[edge.to] == 0) open.push_back(edge.to);
      seen[edge.to] = 1;
    }
  }
  return out;
}

}  // namespace

LiteralGroups LiteralSearch::groups() {
  LiteralGroups out;
  if (!program_.is_understood()) return out;
  const std::size_t end = program_.instructions().size();
  Flow flow(end + 1);
  const std::vector<GatedEdge> gates = lay_out(program_, values_, flow);
  // One cut after the other, each of edges that are in none before.
  while (out.size() < kMaxLiteralGroups && flow.fill(program_.loop(), end) &&
         flow.total() < (out.empty() ? kMaxCutCost : kMaxFurtherCost)) {
    std::vector<Literal>& group = out.emplace_back();
    for (const GatedEdge& gate : gates) {
      if (!flow.is_before_cut(gate.edge.from) || flow.is_before_cut(gate.edge.to)) continue;
      group.insert(group.end(), gate.need->literals().begin(), gate.need->literals().end());
      flow.raise(gate.arc);
    }
    std::ranges::sort(group);
    group.erase(std::unique(group.begin(), group.end()), group.end());
    if (group.empty()) return {{}};
  }
  return out;
}

bool LiteralSearch::can_match(const std::function<bool(const Literal&)>& is_possible) {
  if (!program_.is_understood()) return true;
  std::vector<char> seen(program_.instructions().size(), 0);
  std::vector<std::size_t> open = {0};  // What is constant is compared in front of the loop.
  seen[0] = 1;
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    if (is_end(program_.at(at), values_)) return true;
    for (const Edge& edge : program_.out_of(at)) {
      const Need& need = values_.need_of(edge);
      if (!need.is_always() && std::ranges::none_of(need.literals(), is_possible)) continue;
      if (seen[edge.to] == 0) open.push_back(edge.to);
      seen[edge.to] = 1;
    }
  }
  return false;
}

}  // namespace de::mirror
