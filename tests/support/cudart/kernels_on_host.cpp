// The program's kernels, compiled for the host: the overlay beside this gives them what nvcc would.
#include "device/cuda/cudart/kernels.cu"
