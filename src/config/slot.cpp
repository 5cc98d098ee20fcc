#include "config/slot.h"
