/* A driver's NVML with one GPU or more, which does what its variables say. For tests only.
 *
 * nvmlReturn_t, and what a call returns where: https://docs.nvidia.com/deploy/nvml-api/ . nvmlDeviceGetCount_v2 counts a
 * GPU that nvmlDeviceGetHandleByIndex_v2 then refuses (NO_PERMISSION 4, GPU_IS_LOST 15); a GPU that is lost later has a
 * handle, and each call for it says GPU_IS_LOST. Which of the two a lost GPU does is a guess: both are tried.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int no_memory, no_capability, no_name, no_uuid, no_driver, no_count, init; /* nvmlReturn_t of a call: 3 not supported */
int gpus = 1, refused = -1, refusal, lost = -1; /* the index of the GPU without a handle, and why; of the one lost later */
int throttle, temperature = 40, processes, mig_mode, mig_devices, ecc, clock_mhz = 1980, application_mhz = 1980;
unsigned long long thermal_ns;
static int gpu[16], slice[7];
#define LOST(device) ((int *)(device) - gpu == lost ? 15 : 0)

/* What an image finds is turned by its environment. */
__attribute__((constructor)) static void turned(void)
{
    const char *value;
    if ((value = getenv("STUB_THROTTLE"))) throttle = atoi(value);
    if ((value = getenv("STUB_PROCESSES"))) processes = atoi(value);
    if ((value = getenv("STUB_GPUS"))) gpus = atoi(value);
    if ((value = getenv("STUB_REFUSED"))) refused = atoi(value);
    if ((value = getenv("STUB_REFUSAL"))) refusal = atoi(value);
    if ((value = getenv("STUB_LOST"))) lost = atoi(value);
}

typedef struct { unsigned long long reference, violation; } violation_t;

int nvmlInitWithFlags(unsigned flags) { return init; }
int nvmlInit_v2(void) { return init; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "Unknown Error"; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strcpy(text, "580.65.06"); return no_driver; }

/* "By calling cuDriverGetVersion()" of the libcuda that is found; 12: no libcuda, 13: no such function (NVML's reference). */
int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    void *libcuda = dlopen("libcuda.so.1", RTLD_LAZY);
    int (*get)(int *) = libcuda ? (int (*)(int *))dlsym(libcuda, "cuDriverGetVersion") : 0;
    return !libcuda ? 12 : get ? get(version) : 13;
}
int nvmlDeviceGetCount_v2(unsigned *count) { *count = gpus; return no_count; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) 
{
    *device = &gpu[index];
    return (int)index >= gpus ? 2 : (int)index == refused ? refusal : 0;
}
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) 
{
    int part = (int *)device >= slice && (int *)device < slice + 7;
    snprintf(text, size, part ? "MIG-%d" : "GPU-%d", (int)((int *)device - (part ? slice : gpu)) + 1);
    return LOST(device) ? 15 : no_uuid;
}
int nvmlDeviceGetName(void *device, char *text, unsigned size) { strcpy(text, "NVIDIA H100 80GB HBM3"); return LOST(device) ? 15 : no_name; }
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) { *major = 9; *minor = 0; return LOST(device) ? 15 : no_capability; }
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *total_free_used) { *total_free_used = 80ull << 30; return LOST(device) ? 15 : no_memory; }
int nvmlDeviceGetMaxClockInfo(void *device, int type, unsigned *mhz) { *mhz = type == 1 ? 1980 : 2619; return 0; }
int nvmlDeviceGetApplicationsClock(void *device, int type, unsigned *mhz) { *mhz = application_mhz; return 0; }
int nvmlDeviceGetDefaultApplicationsClock(void *device, int type, unsigned *mhz) { *mhz = 1980; return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    *device = strncmp(uuid, "MIG-", 4) ? &gpu[0] : &slice[0];
    return strcmp(uuid, "GPU-1") && strcmp(uuid, "MIG-1") ? 6 : 0;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *mig, void **device)
{
    *device = &gpu[0];
    return (int *)mig >= slice && (int *)mig < slice + 7 ? 0 : 2;
}
int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz) { *mhz = type == 1 ? clock_mhz : 2619; return 0; }
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) { *celsius = temperature; return 0; }
/* Each look at the GPU asks once for its power: whoever waits for looks can count them in a file. */
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts)
{
    const char *path = getenv("STUB_LOOKS");
    FILE *looks = path ? fopen(path, "a") : NULL;
    if (looks) fputc('.', looks), fclose(looks);
    *milliwatts = 350500;
    return 0;
}
#ifdef OLD_DRIVER /* https://docs.nvidia.com/deploy/archive/R510/nvml-api/group__nvmlClocksThrottleReasons.html */
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits) { *bits = throttle; return 0; }
#else
int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *bits) { *bits = throttle; return 0; }
#endif
int nvmlDeviceGetUtilizationRates(void *device, unsigned *gpu_memory) { gpu_memory[0] = 97; gpu_memory[1] = 30; return 0; }
int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter, unsigned long long *count) { *count = ecc; return 0; }
int nvmlDeviceGetViolationStatus(void *device, int policy, violation_t *status)
{
    status->violation = policy == 1 ? thermal_ns : 0;
    return policy > 1 ? 3 : 0; /* 3: not supported, as on real cards */
}
#ifdef OLD_DRIVER /* before 510 */
int nvmlDeviceGetComputeRunningProcesses_v2(void *device, unsigned *count, void *infos)
#else
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, void *infos)
#endif
{
    if (!infos && processes) { *count = processes; return 7; } /* 7: give me room */
    *count = processes;
    return 0;
}
int nvmlDeviceGetPowerManagementLimit(void *device, unsigned *milliwatts) { *milliwatts = 700000; return 0; }
int nvmlDeviceGetEccMode(void *device, unsigned *current, unsigned *pending) { *current = *pending = 1; return 0; }
int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending) { *current = *pending = mig_mode; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count) { *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **mig)
{
    *mig = &slice[index];
    return index < (unsigned)mig_devices ? 0 : 6;
}
