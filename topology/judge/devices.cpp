#include "topology/judge/judge.hpp"
