/* A driver's libcuda that launches nothing and checks every argument. For tests only.
 *
 * Modelled on https://docs.nvidia.com/cuda/cuda-driver-api/: cuModuleLoadData takes a cubin (ELF of machine 190, its
 * architecture in the flags) or PTX, and refuses a cubin of another architecture with CUDA_ERROR_NO_BINARY_FOR_GPU
 * (209); cuDeviceGetAttribute 75 and 76 are the compute capability. A guess: that CUDA_FORCE_PTX_JIT makes it refuse
 * every cubin, and with which code.
 */
#include <stdlib.h>
#include <string.h>

static int context, module, multiply_add, copy, events[2], launches;
static unsigned long long memory = 0x1000;
static unsigned long long freed;

int cuInit(unsigned flags) { return flags; }
int cuDeviceGet(int *device, int ordinal) { *device = 0; return ordinal; }
int cuDevicePrimaryCtxRetain(void **out, int device) { *out = &context; return device; }
int cuDevicePrimaryCtxRelease_v2(int device) { return freed == 2 ? 0 : 1; }
int cuCtxSetCurrent(void *current) { return current == &context ? 0 : 201; }
static int capability(void) { const char *value = getenv("STUB_CAPABILITY"); return value ? atoi(value) : 90; }
int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    *value = attribute == 75 ? capability() / 10 : capability() % 10;
    return attribute == 75 || attribute == 76 ? device : 1;
}
int cuModuleLoadData(void **out, const unsigned char *image)
{
    *out = &module;
    if (memcmp(image, "\177ELF", 4)) return strstr((const char *)image, ".entry copy") ? 0 : 218;
    if (getenv("CUDA_FORCE_PTX_JIT") || getenv("STUB_OLD")) return 209;
    /* e_machine at 18; e_flags at 48: the architecture is its lowest byte up to ABI 7, its second one from 8 on */
    return image[18] == 190 && image[image[8] < 8 ? 48 : 49] == capability() ? 0 : 209;
}
int cuModuleUnload(void *out) { return out == &module ? 0 : 1; }
int cuModuleGetFunction(void **function, void *from, const char *name)
{
    *function = strcmp(name, "copy") ? (void *)&multiply_add : (void *)&copy;
    return from == &module ? 0 : 500;
}
int cuMemAlloc_v2(unsigned long long *pointer, unsigned long size) { *pointer = memory += size; return 0; }
int cuMemsetD32_v2(unsigned long long pointer, unsigned value, unsigned long words)
{
    return pointer && value == 0x3F800000 && words == (256ul << 20) / 4 ? 0 : 1;
}
int cuMemFree_v2(unsigned long long pointer) { freed++; return pointer ? 0 : 1; }
int cuEventCreate(void **event, unsigned flags) { static int next; *event = &events[next++]; return flags; }
int cuEventRecord(void *event, void *stream)
{
    if (event == &events[0] && launches != 1) return 1; /* no head start */
    if (event == &events[0]) launches = 0;
    return stream ? 400 : 0;
}
int cuEventSynchronize(void *event) { return event == &events[1] ? 0 : 400; }
int cuEventElapsedTime(float *milliseconds, void *start, void *end)
{
    *milliseconds = 1.5f * launches;
    launches = 0;
    return start == &events[0] && end == &events[1] ? 0 : 400;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra)
{
    if (gx != 1024 || gy != 1 || gz != 1 || bx != 256 || by != 1 || bz != 1 || shared || stream || extra) return 1;
    launches++;
    if (function == &multiply_add) return *(unsigned *)arguments[1] == 200000 ? 0 : 1;
    return *(unsigned long long *)arguments[0] != *(unsigned long long *)arguments[1] &&
           *(unsigned *)arguments[2] == (256u << 20) / 4 ? 0 : 1;
}
