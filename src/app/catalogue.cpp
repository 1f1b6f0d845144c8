#include "app/catalogue.hpp"

#include "collectives/mpi/catalog.hpp"
#include "collectives/nccl/catalog.hpp"
#include "fabric/nvlink/catalog.hpp"
#include "fabric/verbs/measure/catalog.hpp"
#include "node/gpu/catalog.hpp"

namespace fabricheck::app {

std::vector<CheckRow> catalogue(const Backends& backends) {
  std::vector<CheckRow> rows = collectives::mpi::catalog();
  for (CheckRow& row : verbs::catalog(backends.verbs)) rows.push_back(std::move(row));
  for (CheckRow& row : node::gpu::catalog(backends.gpu, backends.gpu_settings))
    rows.push_back(std::move(row));
  for (CheckRow& row : nvlink::catalog(backends.gpu)) rows.push_back(std::move(row));
  for (CheckRow& row : collectives::nccl::catalog(backends.nccl)) rows.push_back(std::move(row));
  return rows;
}

}  // namespace fabricheck::app
