// A directory of rule files.
//
// Thread: the test's.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "detect/rule_book.h"

namespace de::detect {

class RuleDir : public testing::Test {
 protected:
  RuleDir() {
    char name[] = "/tmp/de-rules-XXXXXX";
    dir_ = ::mkdtemp(name);
  }
  ~RuleDir() override { std::filesystem::remove_all(dir_); }
  void write_file(const std::string& name, const std::string& text) const { std::ofstream(dir_ + "/" + name) << text; }
  std::unique_ptr<RuleBook> open() const { return std::move(*RuleBook::open({dir_}, system_clock())); }

  std::string dir_;
};

}  // namespace de::detect
