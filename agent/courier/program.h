// daemoneye-courier: takes what the agent gives it to one place, and says whether it arrived.
//
// The agent's launcher starts one for each sink that needs the network or another socket, with the sink's settings as
// arguments and the agent at the other end of its standard input (agent/parcel). It ends with the agent.
//
// Thread: main.
#pragma once

namespace de::courier {

// Returns the exit code: 0 the agent has ended, 1 it cannot work (the agent has been told why), 2 it was not started by
// the agent.
int run_courier(int argc, char** argv);

}  // namespace de::courier
