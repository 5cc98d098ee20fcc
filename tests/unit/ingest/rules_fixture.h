// An intake with a directory of rules and a detector over them.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "ingest/detector.h"
#include "ingest/stored_rows.h"
#include "intake_fixture.h"

namespace de::ingest {

class RulesTest : public IntakeTest {
 protected:
  RulesTest() {
    rules_ = dir_ + "/rules";
    std::filesystem::create_directory(rules_);
    whole_.set_complete(true);
  }
  void rule(const std::string& id, const std::string& sql, const std::string& more = "") {
    std::ofstream(rules_ + "/" + id + ".yaml") << "id: " << id << "\nseverity: high\nsql: " << sql << "\n" << more;
  }
  // It looks back at what is stored.
  void open_detector(mirror::Budget budget = mirror::kRuleBudget) {
    DetectorOptions options;
    options.rules_dirs = {rules_};
    options.budget = budget;
    options.host = "host-1";
    detector_ = std::move(*Detector::open(options, clock_, &source_));
    EXPECT_THAT(detector_->report()->rules->errors, testing::IsEmpty());
  }

  std::string rules_;
  pb::Completeness whole_;
  StoredRows source_{*store_};
  std::unique_ptr<Detector> detector_;
};

}  // namespace de::ingest
