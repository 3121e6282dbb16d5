"""What engines said when a container did not start, word for word, each with where it was read and what we make of it.

``source`` is a public thread, the engine with which it was reproduced here, or a guess. ``code`` is the exit code of the
client: docker ends with 127 where the daemon's words have "no such file or directory" or "executable file not found" in
them, with 126 for "permission denied", else with 125 (`docker run`, exit status); podman with 126 and 127 for what the OCI
runtime refuses. Words of a daemon that were posted from its log or from compose are put behind ``docker: ``.
"""

from __future__ import annotations

from typing import NamedTuple

GITHUB = "https://github.com"


class Said(NamedTuple):
    """One refusal. ``says`` is in what we tell of it, ``remedy`` in what we advise; ``started``: the image ran."""

    source: str
    code: int
    words: str
    kind: str
    exit_code: int
    says: str
    remedy: str
    started: bool = False


DAEMON = "docker: Error response from daemon: "
SHIM = f"{DAEMON}failed to create shim task: OCI runtime create failed: runc create failed: "
TASK = f"{DAEMON}failed to create task for container: failed to create shim task: OCI runtime create failed: "
INIT = "unable to start container process: error during container init: "
HOOK = f"{TASK}runc create failed: {INIT}error running prestart hook #0: exit status 1, stdout: , stderr: Auto-detected mode as "
OLD_HOOK = (
    f"{SHIM}{INIT}error running hook #0: error running hook: exit status 1, stdout: , stderr: Auto-detected mode as "
)
CONTAINER_LINUX = (
    f"{DAEMON}OCI runtime create failed: container_linux.go:380: starting container process caused: "
    "process_linux.go:545: container init caused: Running hook #0:: error running hook: exit status 1, stdout: , stderr: "
)
ESCAPED = (
    f'{DAEMON}OCI runtime create failed: container_linux.go:349: starting container process caused "process_linux.go:449: '
    'container init caused \\"process_linux.go:432: running prestart hook 0 caused \\\\\\"error running hook: exit status '
    "1, stdout: , stderr: "
)
ESCAPED_END = '\\\\\\\\n\\\\\\"\\"": unknown.\nERRO[0001] error waiting for container: context canceled'
NOT_FOUND = ": OCI runtime attempted to invoke a command that was not found"
CSV = (
    "'csv'\ninvoking the NVIDIA Container Runtime Hook directly (e.g. specifying the docker --gpus flag) is not supported. "
    "Please use the NVIDIA Container Runtime"
)
GENERATE, CONFIGURE = "nvidia-ctk cdi generate", "nvidia-ctk runtime configure --runtime=docker"

IMAGE, RUNNER = 1, 3

DRIVER = (
    Said(
        f"{GITHUB}/SyneRBI/PETRIC2/issues/27",
        125,
        f"{HOOK}'legacy'\nnvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your "
        "driver to a newer version, or use an earlier cuda container",
        "driver-too-old",
        IMAGE,
        "cuda>=12.8",
        "update the driver",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/543",
        125,
        f'{DAEMON}oci runtime error: container_linux.go:265: starting container process caused "nvidia-container-cli: '
        'requirement error: unsatisfied condition: cuda >= 9.0\\\\\\\\n\\\\\\"\\""',
        "driver-too-old",
        IMAGE,
        "cuda >= 9.0",
        "update the driver",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/1629",
        125,
        f"{CONTAINER_LINUX}nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.",
        "gpu-hook-failed",
        RUNNER,
        "driver not loaded",
        "nvidia-smi on the host",
    ),
    Said(
        f"{GITHUB}/labdao/plex/issues/18",
        125,
        f"{OLD_HOOK}'legacy'\nnvidia-container-cli: initialization error: nvml error: driver/library version mismatch: "
        "unknown.\nERRO[0000] error waiting for container: context canceled",
        "gpu-hook-failed",
        RUNNER,
        "driver/library version mismatch",
        "reboot",
    ),
    Said(
        f"{GITHUB}/Atinoda/text-generation-webui-docker/issues/20",
        127,
        f"{OLD_HOOK}'legacy'\nnvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot "
        "open shared object file: no such file or directory: unknown",
        "gpu-hook-failed",
        RUNNER,
        "libnvidia-ml.so.1",
        "nvidia-smi on the host",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/183",
        125,
        f"{ESCAPED}nvidia-container-cli: initialization error: driver error: failed to process request{ESCAPED_END}",
        "gpu-hook-failed",
        RUNNER,
        "failed to process request",
        "nvidia-smi on the host",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/1068",
        127,
        f"{ESCAPED}nvidia-container-cli: mount error: mount operation failed: /home/docker/overlay2/b9f5385b968a/merged/"
        f"proc/driver/nvidia/params/version/registry: no such file or directory{ESCAPED_END}",
        "gpu-hook-failed",
        RUNNER,
        "mount operation failed",
        "reboot",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/1300",
        125,
        f"{ESCAPED}nvidia-container-cli: mount error: file creation failed: /var/lib/docker/overlay2/d5771d7f73e2/merged/"
        f"run/nvidia-persistenced/socket: no such device or address{ESCAPED_END}",
        "gpu-hook-failed",
        RUNNER,
        "nvidia-persistenced/socket",
        "nvidia-smi on the host",
    ),
)
"""The driver of the host."""

DEVICES = (
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/884",
        125,
        f"{ESCAPED}nvidia-container-cli: device error: unknown device id: 1{ESCAPED_END}",
        "no-such-gpu",
        RUNNER,
        "no GPU 1",
        "nvidia-smi -L",
    ),
    Said(
        f"{GITHUB}/DeepLabCut/Docker4DeepLabCut2.0/issues/39",
        125,
        f"{CONTAINER_LINUX}nvidia-container-cli: device error: 1: unknown device: unknown.",
        "no-such-gpu",
        RUNNER,
        "no GPU 1",
        "nvidia-smi -L",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/1523",
        125,
        f"{CONTAINER_LINUX}nvidia-container-cli: initialization error: nvml error: insufficient permissions: unknown.",
        "gpu-permission",
        RUNNER,
        "insufficient permissions",
        "--selinux-label disable",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/678",
        125,
        f"{TASK}runc create failed: {INIT}error running hook #0: error running hook: exit status 1, stdout: , stderr: "
        "Auto-detected mode as 'legacy'\nnvidia-container-cli: mount error: failed to add device rules: unable to find any "
        "existing device filters attached to the cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted: "
        "unknown.",
        "gpu-cgroups",
        RUNNER,
        "operation not permitted",
        "no-cgroups",
    ),
    Said(
        f"{GITHUB}/NVIDIA/libnvidia-container/issues/256",
        125,
        f"{OLD_HOOK}'legacy'\nnvidia-container-cli: mount error: failed to add device rules: unable to generate new device "
        "filter program from existing programs: unable to create new device filters program: load program: invalid "
        "argument: 0: (69) r2 = *(u16 *)(r1 +0)\n1: (61) r3 = *(u32 *)(r1 +0)",
        "gpu-cgroups",
        RUNNER,
        "failed to add device rules",
        "--gpu-mode cdi",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/1660",
        125,
        f"{OLD_HOOK}'legacy'\nnvidia-container-cli: container error: cgroup subsystem devices not found: unknown.",
        "gpu-cgroups",
        RUNNER,
        "cgroup subsystem devices not found",
        "no-cgroups",
    ),
    Said(
        f"{GITHUB}/hekmak/Conf-net/issues/5",
        127,
        f"{CONTAINER_LINUX}nvidia-container-cli: ldcache error: open failed: /sbin/ldconfig.real: no such file or directory: "
        "unknown.\nERRO[0002] error waiting for container: context canceled",
        "gpu-ldconfig",
        RUNNER,
        "/sbin/ldconfig.real",
        "ldconfig",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/147",
        125,
        f"{CONTAINER_LINUX}nvidia-container-cli: ldcache error: process /sbin/ldconfig.real failed with error code: 1: "
        "unknown.",
        "gpu-ldconfig",
        RUNNER,
        "/sbin/ldconfig.real",
        "ldconfig",
    ),
)
"""Device files, control groups, and the loader's cache."""

TOOLKIT = (
    Said(
        "reproduced: docker 28.2 and dockerd 20.10",
        125,
        f"{DAEMON}Unknown runtime specified nvidia\n\nRun 'docker run --help' for more information",
        "gpu-runtime-missing",
        RUNNER,
        "cannot hand a GPU",
        CONFIGURE,
    ),
    Said(
        f"{GITHUB}/docker/cli/issues/2425",
        125,
        f'{DAEMON}could not select device driver "" with capabilities: [[gpu]].',
        "gpu-runtime-missing",
        RUNNER,
        "cannot hand a GPU",
        CONFIGURE,
    ),
    Said(
        f"{GITHUB}/infiniflow/ragflow/issues/9573",
        125,
        f'{DAEMON}could not select device driver "nvidia" with capabilities: [[gpu]]',
        "gpu-runtime-missing",
        RUNNER,
        "cannot hand a GPU",
        CONFIGURE,
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/578",
        125,
        f"{DAEMON}Unknown runtime specified nvidia.",
        "gpu-runtime-missing",
        RUNNER,
        "cannot hand a GPU",
        CONFIGURE,
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/150",
        125,
        f"{DAEMON}unknown or invalid runtime name: nvidia.",
        "gpu-runtime-missing",
        RUNNER,
        "cannot hand a GPU",
        CONFIGURE,
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-docker/issues/1190",
        127,
        f'{DAEMON}OCI runtime create failed: unable to retrieve OCI runtime error exec: "nvidia-container-runtime": '
        "executable file not found in $PATH: : unknown.",
        "gpu-runtime-missing",
        RUNNER,
        "cannot hand a GPU",
        CONFIGURE,
    ),
    *(
        Said(f"{GITHUB}/{thread}", 125, words, "gpu-mode-unsupported", RUNNER, "--gpus", "--gpu-mode runtime")
        for thread, words in (
            (
                "dusty-nv/jetson-containers/issues/1577",
                f"{HOOK}{CSV} (e.g. specify the --runtime=nvidia flag) instead.",
            ),
            ("triton-inference-server/server/issues/5641", f"{OLD_HOOK}{CSV} instead.: unknown."),
            (
                "NVIDIA/TensorRT-LLM/issues/799",
                f"{TASK}runc create failed: {INIT}error running hook #0: error running hook: exit status 1, stdout: , "
                f"stderr: Auto-detected mode as {CSV} (e.g. specify the --runtime=nvidia flag) instead.: unknown.",
            ),
        )
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/pull/2028",
        125,
        f"{TASK}runc create failed: {INIT}error running createContainer hook #6: exit status 1, stdout: , stderr: "
        'time="2026-08-26T21:50:49Z" level=error msg="failed to create application profiles directory: mkdirat '
        'etc/nvidia/nvidia-application-profiles-rc.d: read-only file system"',
        "gpu-hook-failed",
        RUNNER,
        "read-only file system",
        "runc",
    ),
    Said(
        f"{GITHUB}/containers/crun/issues/667",
        126,
        "Error: OCI runtime error: error executing hook `/usr/bin/nvidia-container-runtime-hook` (exit code: 1)",
        "gpu-hook-failed",
        RUNNER,
        "nvidia-container-runtime-hook",
        "runc",
    ),
    *(
        Said(
            f"{GITHUB}/{thread}",
            126,
            f'Error: OCI runtime error: crun: {{"msg":"error executing hook `{hook}` (exit code: 1)","level":"error",'
            f'"time":"{time}"}}',
            "gpu-hook-failed",
            RUNNER,
            hook,
            "runc",
        )
        for thread, hook, time in (
            ("NVIDIA/nvidia-container-toolkit/issues/143", "/usr/bin/nvidia-ctk", "2023-11-05T12:05:27.216981Z"),
            ("NixOS/nixpkgs/pull/278969", "/run/current-system/sw/bin/nvidia-ctk", "..."),
            ("ublue-os/bluefin/issues/3454", "/usr/bin/nvidia-cdi-hook", "2025-10-22T10:04:55.559600Z"),
        )
    ),
)
"""NVIDIA's container toolkit and its hooks."""

CDI = (
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/146",
        126,
        "Error: error setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
        "cdi-unresolved",
        RUNNER,
        "nvidia.com/gpu=all",
        GENERATE,
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/1865",
        126,
        "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
        "cdi-unresolved",
        RUNNER,
        "nvidia.com/gpu=all",
        "no-additional-gids-for-device-nodes",
    ),
    Said(
        f"{GITHUB}/moby/moby/issues/47633",
        125,
        f"{DAEMON}CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=7.",
        "cdi-unresolved",
        RUNNER,
        "nvidia.com/gpu=7",
        GENERATE,
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/1537",
        125,
        f"{TASK}could not apply required modification to OCI specification: error modifying OCI spec: failed to inject CDI "
        "devices: unresolvable CDI devices runtime.nvidia.com/gpu=all: unknown",
        "cdi-unresolved",
        RUNNER,
        "runtime.nvidia.com/gpu=all",
        GENERATE,
    ),
    Said(
        f"{GITHUB}/ShaneIsrael/fireshare/issues/689",
        125,
        f"{DAEMON}failed to discover GPU vendor from CDI: no known GPU vendor found",
        "cdi-unresolved",
        RUNNER,
        "no CDI device",
        GENERATE,
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/434",
        125,
        f'{DAEMON}could not select device driver "cdi" with capabilities: [].\n'
        "ERRO[0000] error waiting for container: context canceled",
        "cdi-unsupported",
        RUNNER,
        "CDI",
        '"features": {"cdi": true}',
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/63",
        125,
        "Error: stat nvidia.com/gpu=0: no such file or directory",
        "cdi-unsupported",
        RUNNER,
        "nvidia.com/gpu=0",
        "update podman",
    ),
    Said(
        f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/1860",
        126,
        "The following error was triggered when refreshing the CDI registry: failed to load CDI Spec failed to parse CDI "
        'Spec "/etc/cdi/nvidia.yaml": failed to unmarshal CDI Spec: error unmarshaling JSON: while decoding JSON: json: '
        'unknown field "additionalGids"',
        "cdi-unreadable",
        RUNNER,
        "/etc/cdi/nvidia.yaml",
        "update the engine",
    ),
    *(
        Said(
            f"{GITHUB}/NVIDIA/nvidia-container-toolkit/issues/{number}",
            126,
            "Error: setting up CDI devices: failed to inject devices: failed to stat CDI host device "
            f'"{device}": no such file or directory',
            "cdi-stale",
            RUNNER,
            device,
            GENERATE,
        )
        for number, device in ((885, "/dev/dri/renderD129"), (46, "/dev/dri/controlD69"))
    ),
    *(
        Said(
            f"{GITHUB}/{thread}",
            127,
            f"Error: crun: cannot stat `{library}`: No such file or directory{NOT_FOUND}",
            "cdi-stale",
            RUNNER,
            library,
            GENERATE,
        )
        for thread, library in (
            ("NVIDIA/nvidia-container-toolkit/issues/450", "/lib64/libEGL_nvidia.so.550.54.14"),
            ("NVIDIA/nvidia-container-toolkit/issues/692", "/usr/lib/libnvidia-egl-wayland.so.1.1.13"),
            ("containers/ramalama/issues/1900", "/usr/lib64/libEGL_nvidia.so.575.64.03"),
        )
    ),
    Said(
        f"{GITHUB}/Igalia/webkit-container-sdk/issues/23",
        127,
        "Error: unable to start container: crun: error stat'ing file /lib/x86_64-linux-gnu/libEGL_nvidia.so.535.161.07: No "
        f"such file or directory{NOT_FOUND}",
        "cdi-stale",
        RUNNER,
        "libEGL_nvidia.so.535.161.07",
        GENERATE,
    ),
    Said(
        f"{GITHUB}/void-linux/void-packages/pull/52507",
        127,
        f"Error: unable to start container: runc: runc create failed: {INIT}error running hook #0: fork/exec "
        f"/usr/bin/nvidia-cdi-hook: no such file or directory{NOT_FOUND}",
        "cdi-stale",
        RUNNER,
        "/usr/bin/nvidia-cdi-hook",
        GENERATE,
    ),
    Said(
        "reproduced: podman 4.3.1 over runc 1.1.5",
        127,
        f'Error: runc: runc create failed: {INIT}error mounting "/usr/lib/x86_64-linux-gnu/libcuda.so.535.54.03" to rootfs '
        'at "/usr/lib/x86_64-linux-gnu/libcuda.so.535.54.03": stat /usr/lib/x86_64-linux-gnu/libcuda.so.535.54.03: no such '
        f"file or directory{NOT_FOUND}",
        "cdi-stale",
        RUNNER,
        "libcuda.so.535.54.03",
        GENERATE,
    ),
)
"""The Container Device Interface."""

HANDING = (*DRIVER, *DEVICES, *TOOLKIT, *CDI)
"""All that has to do with handing over GPUs."""

ENGINE = (
    Said(
        "reproduced: docker 28.2 without a daemon",
        125,
        "docker: Cannot connect to the Docker daemon at unix:///nowhere/docker.sock. Is the docker daemon running?\n\n"
        "Run 'docker run --help' for more information",
        "engine-down",
        3,
        "does not answer",
        "systemctl start docker",
    ),
    Said(
        "reproduced: docker 28.2 as a user who may not",
        126,
        "docker: permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
        'Head "http://%2Fvar%2Frun%2Fdocker.sock/_ping": dial unix /var/run/docker.sock: connect: permission denied\n\n'
        "Run 'docker run --help' for more information",
        "engine-down",
        3,
        "does not answer",
        "add the user to its group",
    ),
    Said(
        "guess: podman on a full disk",
        125,
        "Error: mkdir /var/lib/containers: no space left on device",
        "no-space",
        3,
        "disk",
        "system df",
    ),
    Said(
        "reproduced: docker 28.2 and dockerd 20.10 over runc 1.1.5",
        127,
        f'{SHIM}unable to start container process: exec: "python3": executable file not found in $PATH: unknown\n\n'
        "Run 'docker run --help' for more information",
        "no-python",
        4,
        "no Python",
        "--python",
    ),
    Said(
        "reproduced: podman 4.3.1 over runc 1.1.5",
        127,
        'Error: runc: runc create failed: unable to start container process: exec: "python3": executable file not found in '
        f"$PATH{NOT_FOUND}",
        "no-python",
        4,
        "no Python",
        "--python",
    ),
    *(
        Said(
            f"reproduced: {engine}, without CAP_SYS_RESOURCE",
            code,
            words,
            "limit-refused",
            3,
            says,
            "--memlock",
        )
        for engine, code, words, says in (
            (
                "podman 4.3.1 over runc 1.1.5",
                126,
                f"Error: runc: runc create failed: {INIT}error setting rlimits for ready process: error setting rlimit type 8: operation not permitted: OCI permission denied",
                "rlimit type 8",
            ),
            (
                "podman 4.3.1 over crun 1.8.1",
                126,
                "Error: crun: setrlimit `RLIMIT_MEMLOCK`: Operation not permitted: OCI permission denied",
                "RLIMIT_MEMLOCK",
            ),
            (
                "docker 28.2 and dockerd 20.10 over runc 1.1.5",
                125,
                f"{SHIM}{INIT}error setting rlimits for ready process: error setting rlimit type 8: operation not permitted: unknown\n\nRun 'docker run --help' for more information",
                "rlimit type 8",
            ),
        )
    ),
    *(
        Said(f"reproduced: podman 4.3.1 over {runtime}", code, words, "no-python", 4, "no Python", "--python")
        for runtime, code, words in (
            (
                "crun 1.8.1",
                127,
                f"Error: crun: executable file `python3` not found in $PATH: No such file or directory{NOT_FOUND}",
            ),
            ("crun 1.8.1", 126, "Error: crun: open executable: Permission denied: OCI permission denied"),
            (
                "runc 1.1.5",
                126,
                'Error: runc: runc create failed: unable to start container process: exec: "/etc/passwd": permission denied: OCI permission denied',
            ),
        )
    ),
    Said(
        "reproduced: podman 4.3.1 over crun 1.8.1",
        126,
        "Error: OCI runtime error: crun: cgroups in hybrid mode not supported, drop all controllers from cgroupv2",
        "engine-refused",
        3,
        "hybrid mode",
        "by hand",
    ),
    Said(
        "https://github.com/containers/crun/issues/2193",
        127,
        "Error: crun: open /sys/fs/cgroup/machine.slice/libpod-35ee2efacd48.scope/container/cgroup.freeze: No such file or "
        f"directory{NOT_FOUND}",
        "engine-refused",
        3,
        "cgroup.freeze",
        "by hand",
    ),
    Said(
        "reproduced: podman 4.3.1",
        125,
        "Error: unknown flag: --frobnicate\nSee 'podman run --help'",
        "engine-refused",
        3,
        "--frobnicate",
        "by hand",
    ),
)
"""Everything else that an engine refuses."""

IMAGES = tuple(
    Said(
        "made up: an image's words", code, words, kind, 4, words.rpartition(": ")[2], "--entrypoint none", started=True
    )
    for words in (
        "pip: unsatisfied condition: foo>=2",
        "my-app: NVML: initialised late",
        "OSError: [Errno 28] No space left on device",
        "redis: connect: no such file or directory",
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
        "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
        "docker: Cannot connect to the Docker daemon at unix:///x",
        "usage: serve [--port]",
    )
    for code, kind in ((1, "no-answer"), (125, "no-answer"), (126, "no-python"), (127, "no-python"))
)
IMAGES += (
    Said("made up: an image's silence", 137, "", "no-answer", 4, "exit code 137", "--entrypoint none", started=True),
)
"""What an image says of itself, and no engine, with any exit code."""

FOREIGN = tuple(
    Said(source, code, words, "wrong-platform", 4, "not for this processor", "--entrypoint none", started=True)
    for source, code, words in (
        (
            "reproduced: a program of s390x, docker 28.2 and podman 4.3.1 over runc 1.1.5",
            1,
            "exec /usr/bin/python3: exec format error",
        ),
        (
            "reproduced: a script without #!, docker 28.2 and podman 4.3.1 over runc 1.1.5",
            1,
            "WARNING: something of the client's\nexec /entrypoint.sh: exec format error",
        ),
        ("reproduced: docker 28.2 with its init", 1, "[FATAL tini (6)] exec /bin/serve failed: Exec format error"),
        (
            f"{GITHUB}/jeroenjanssens/dsutils/issues/8",
            1,
            '{"msg":"exec container process `/usr/bin/zsh`: Exec format error","level":"error",'
            '"time":"2021-09-19T09:39:03.000613446Z"}',
        ),
        (
            "https://github.com/containers/crun/blob/main/src/libcrun/container.c",
            1,
            "exec container process `/a b`: Exec format error",
        ),
        (
            f"{GITHUB}/pypiserver/pypiserver/issues/394",
            1,
            "standard_init_linux.go:228: exec user process caused: exec format error",
        ),
        (
            f"{GITHUB}/pypiserver/pypiserver/issues/394",
            1,
            'standard_init_linux.go:190: exec user process caused "exec format error"',
        ),
    )
)
"""What the runtime's process says in the container where it cannot become the program: it started, and no program ran."""
