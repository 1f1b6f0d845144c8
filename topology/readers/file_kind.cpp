#include "topology/readers/readers.hpp"
