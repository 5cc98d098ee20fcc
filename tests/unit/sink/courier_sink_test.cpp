// A sink whose courier is not one: what the agent makes of it. tests/system/webhook_test.cpp has the real one.
#include <gtest/gtest.h>

#include "sample.h"
#include "sink/sink.h"

namespace de::sink {
namespace {

using supervise::ChildOptions;
using supervise::Launcher;

// `script` has the agent at its standard input.
struct Impostor {
  explicit Impostor(std::string script) {
    ChildOptions options;
    options.argv = {
        "/usr/bin/python3", "-c",
        "import os, socket, struct, sys, time\nsys.excepthook = lambda *_: None\nagent = socket.socket(fileno=0)\n"
        "def say(number, failed, text): agent.send(struct.pack('<Ii', number, failed) + text)\n" +
            std::move(script)};
    options.has_channel = true;
    launcher = Launcher::fork({options}).value();
    SinkOptions settings;
    settings.name = "hook";
    settings.timeout = std::chrono::milliseconds(100);
    sink = make_courier_sink(settings, *launcher, 0);
  }
  std::unique_ptr<Launcher> launcher;
  std::unique_ptr<Sink> sink;
};

std::string outcome(const Result<>& result) { return result ? "arrived" : result.error().message(); }

TEST(CourierSink, WhatItsCourierSaysIsTheOutcome) {
  Impostor courier(
      "say(0, -1, b'')\n"
      "number = struct.unpack('<I', agent.recv(100000)[:4])[0]\nsay(number, -1, b'')\n"
      "number = struct.unpack('<I', agent.recv(100000)[:4])[0]\nsay(number, 2, b'nobody\\x1b there')\n"
      "time.sleep(1000)\n");
  EXPECT_EQ(outcome(courier.sink->prepare()), "arrived");
  EXPECT_EQ(outcome(courier.sink->deliver(small_alert(1))), "arrived");
  EXPECT_EQ(outcome(courier.sink->deliver(small_alert(2))), "nobody\\x1b there");
  EXPECT_EQ(courier.launcher->poll(0).value().value, SIGKILL) << "it is ended after a failure,";
  EXPECT_EQ(outcome(courier.sink->deliver(small_alert(2))), "arrived") << "and begun anew for the next attempt";
}

TEST(CourierSink, OneThatCannotWorkSaysWhy) {
  Impostor courier("say(0, 1, b'token_file: others may read it')\n");
  EXPECT_EQ(outcome(courier.sink->prepare()), "token_file: others may read it");
  EXPECT_EQ(outcome(courier.sink->deliver(small_alert(1))), "token_file: others may read it");
}

TEST(CourierSink, AServerThatHasClosedIsNotACourierThatHasEnded) {
  const std::string closed = std::to_string(static_cast<int>(Errc::Closed));
  Impostor courier("say(0, -1, b'')\nnumber = struct.unpack('<I', agent.recv(100000)[:4])[0]\nsay(number, " + closed +
                   ", b'the server has closed the connection')\ntime.sleep(1000)\n");
  EXPECT_EQ(outcome(courier.sink->deliver(small_alert(1))), "the server has closed the connection");
}

TEST(CourierSink, HowOneEndedIsSaid) {
  Impostor left("say(0, -1, b'')\nagent.recv(100000)\nos._exit(3)\n");
  EXPECT_EQ(outcome(left.sink->deliver(small_alert(1))), "the courier ended: exited with code 3");
  Impostor killed("say(0, -1, b'')\nagent.recv(100000)\nos.kill(os.getpid(), 11)\n");
  EXPECT_EQ(outcome(killed.sink->deliver(small_alert(1))), "the courier ended: killed by signal 11");
}

TEST(CourierSink, OneThatAnswersForAnotherAlertIsNotBelieved) {
  Impostor courier("say(0, -1, b'')\nagent.recv(100000)\nsay(77, -1, b'')\nagent.recv(1)\n");
  EXPECT_EQ(outcome(courier.sink->deliver(small_alert(1))), "the courier told of another alert");
}

TEST(CourierSink, OneThatStandsStillCostsALimitOfTime) {
  Impostor courier("say(0, -1, b'')\nagent.recv(100000)\ntime.sleep(1000)\n");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(outcome(courier.sink->deliver(small_alert(1))), "the other end does not answer");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60));
  EXPECT_EQ(courier.launcher->poll(0).value().value, SIGKILL);
}

}  // namespace
}  // namespace de::sink
