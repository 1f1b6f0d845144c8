// A library with few of NVML's calls: two GPUs of which nothing can be asked, or no way to count them.
namespace {

struct Device {
  unsigned index;
};

#ifdef FAKE_NVML_OLD
Device devices[] = {{0}, {1}};
#endif

}  // namespace

extern "C" {

int nvmlInit() { return 0; }
int nvmlShutdown() { return 0; }

#ifdef FAKE_NVML_OLD
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device** device) {
  *device = &devices[index];
  return 0;
}
#else
int nvmlDeviceGetHandleByIndex_v2(unsigned, Device**) { return 2; }
#endif

}  // extern "C"
