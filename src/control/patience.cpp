#include "control/watchdog.hpp"

namespace fabricheck::control {

Patience::Patience(Watchdog* watchdog, double seconds) : watchdog_(watchdog) {
  if (watchdog_) watchdog_->be_patient(seconds);
}
Patience::~Patience() {
  if (watchdog_) watchdog_->be_patient(0.0);
}

}  // namespace fabricheck::control
