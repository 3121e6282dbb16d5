/* A driver's libcuda and libnvidia-ml in one, which answer as the environment says.
 *
 * cuInit: the code of STATE_CUINIT, as NVIDIA's CUDA driver API has them (CUresult); 0 if it is not set.
 * The versions: cuDriverGetVersion is that of this library, nvmlSystemGetDriverVersion that of the kernel module, and
 * nvmlSystemGetCudaDriverVersion_v2 is the version of the libcuda that NVML finds, as NVML's reference says.
 */
#include <stdlib.h>
#include <string.h>

static int number(const char *name, int otherwise) { const char *value = getenv(name); return value ? atoi(value) : otherwise; }

int cuInit(unsigned flags) { return number("STATE_CUINIT", 0); }
int cuDriverGetVersion(int *version) { *version = number("STATE_LIBCUDA", 13000); return 0; }
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 0; return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { return cuDriverGetVersion(version); }
int nvmlSystemGetDriverVersion(char *text, unsigned size)
{
    const char *value = getenv("STATE_DRIVER");
    strncpy(text, value ? value : "580.95.05", size);
    return 0;
}
