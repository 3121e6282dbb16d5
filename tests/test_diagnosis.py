"""What an engine says when a container does not start, in its own words, becomes one cause with a remedy."""

from __future__ import annotations

import pytest

from ci_gpu.diagnosis import lacks_program, start_failure

HOOK = "docker: Error response from daemon: failed to create task for container: OCI runtime create failed: "

NO_SUCH_FILE = ": No such file or directory: OCI runtime attempted to invoke a command that was not found"
OLD = "/usr/lib/x86_64-linux-gnu/libcuda.so.535.54.03"

SAYINGS = {
    "the driver is too old for the image": (
        125,
        HOOK + "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver "
        "to a newer version, or use an earlier cuda container: unknown.",
        "driver-too-old",
        1,
        "cuda>=12.8",
    ),
    "docker knows no GPUs": (
        125,
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
        "gpu-runtime-missing",
        3,
        "GPU",
    ),
    "docker knows no nvidia runtime": (
        125,
        "docker: Error response from daemon: Unknown runtime specified nvidia.",
        "gpu-runtime-missing",
        3,
        "GPU",
    ),
    "podman knows no CDI device": (
        126,
        "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
        "cdi-unresolved",
        3,
        "nvidia.com/gpu=all",
    ),
    "a CDI description from before a driver's upgrade names a device (nvidia-container-toolkit#885)": (
        126,
        "Error: setting up CDI devices: failed to inject devices: failed to stat CDI host device "
        '"/dev/dri/renderD129": no such file or directory',
        "cdi-stale",
        3,
        "/dev/dri/renderD129",
    ),
    "a CDI description from before a driver's upgrade names a library": (
        126,
        "Error: runc: runc create failed: unable to start container process: error during container init: error "
        f'mounting "{OLD}" to rootfs at "{OLD}": stat {OLD}: no such file or directory: OCI runtime attempted to '
        "invoke a command that was not found",
        "cdi-stale",
        3,
        "libcuda.so.535.54.03",
    ),
    "crun cannot find a library of the old driver (nvidia-container-toolkit#450)": (
        127,
        "Error: crun: cannot stat `/lib64/libEGL_nvidia.so.550.54.14`" + NO_SUCH_FILE,
        "cdi-stale",
        3,
        "libEGL_nvidia.so.550.54.14",
    ),
    "crun cannot find one in other words (Igalia/webkit-container-sdk#23)": (
        127,
        "Error: unable to start container: crun: error stat'ing file /lib/x86_64-linux-gnu/libEGL_nvidia.so.535.161.07"
        + NO_SUCH_FILE,
        "cdi-stale",
        3,
        "libEGL_nvidia.so.535.161.07",
    ),
    "nvidia-ctk as a hook (NixOS/nixpkgs#278969)": (
        126,
        'Error: OCI runtime error: crun: {"msg":"error executing hook `/run/current-system/sw/bin/nvidia-ctk` '
        '(exit code: 1)"',
        "gpu-hook-failed",
        3,
        "nvidia-ctk",
    ),
    "docker finds no CDI description (ShaneIsrael/fireshare#689)": (
        125,
        "docker: Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found",
        "cdi-unresolved",
        3,
        "no CDI device",
    ),
    "a Jetson is handed over by its runtime alone (dusty-nv/jetson-containers#1577)": (
        125,
        "docker: Error response from daemon: invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the "
        "docker --gpus flag) is not supported. Please use the NVIDIA Container Runtime",
        "gpu-mode-unsupported",
        3,
        "--gpus",
    ),
    "an image with a condition of its own": (1, "pip: unsatisfied condition: foo>=2", "no-answer", 4, "foo>=2"),
    "the engine takes a CDI device for a path (nvidia-container-toolkit#63)": (
        125,
        "Error: stat nvidia.com/gpu=0: no such file or directory",
        "cdi-unsupported",
        3,
        "nvidia.com/gpu=0",
    ),
    "the CDI description is newer than the engine (nvidia-container-toolkit#1860)": (
        125,
        'Error: setting up CDI devices: failed to parse CDI Spec "/etc/cdi/nvidia.yaml": error unmarshaling JSON: '
        'while decoding JSON: json: unknown field "additionalGids"',
        "cdi-unreadable",
        3,
        "/etc/cdi/nvidia.yaml",
    ),
    "docker names the CDI device after its own words": (
        125,
        "docker: Error response from daemon: CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=7.",
        "cdi-unresolved",
        3,
        "nvidia.com/gpu=7",
    ),
    "a hook of the toolkit's ends with an error (containers/crun#667)": (
        126,
        "Error: OCI runtime error: error executing hook `/usr/bin/nvidia-container-runtime-hook` (exit code: 1)",
        "gpu-hook-failed",
        3,
        "nvidia-container-runtime-hook",
    ),
    "an image that speaks of NVML": (1, "my-app: NVML: initialised late", "no-answer", 4, "NVML"),
    "an image whose own disk is full": (1, "OSError: [Errno 28] No space left on device", "no-answer", 4, "Errno 28"),
    "an image that looks for a socket": (1, "redis: connect: no such file or directory", "no-answer", 4, "redis"),
    "the driver on the host is gone": (
        125,
        HOOK + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.",
        "gpu-hook-failed",
        3,
        "driver not loaded",
    ),
    "the daemon is down": (
        1,
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "engine-down",
        3,
        "does not answer",
    ),
    "the disk is full": (125, "Error: mkdir /var/lib/containers: no space left on device", "no-space", 3, "disk"),
    "another processor": (1, "exec /usr/bin/python3: exec format error", "wrong-platform", 3, "processor"),
    "no Python by docker": (
        127,
        'docker: Error response from daemon: exec: "python3": executable file not found in $PATH: unknown.',
        "no-python",
        4,
        "no Python",
    ),
    "limits that this machine does not allow": (
        126,
        "Error: runc: runc create failed: unable to start container process: error during container init: error "
        "setting rlimits for ready process: error setting rlimit type 7: operation not permitted: OCI error",
        "engine-refused",
        3,
        "rlimit type 7",
    ),
    "no Python by podman": (
        127,
        'Error: runc: runc create failed: unable to start container process: exec: "python3": executable file not '
        "found in $PATH: OCI runtime attempted to invoke a command that was not found",
        "no-python",
        4,
        "no Python",
    ),
    "an option that is refused": (125, "Error: unknown flag: --frobnicate", "engine-refused", 3, "--frobnicate"),
    "an entrypoint of its own mind": (1, "usage: serve [--port]", "no-answer", 4, "usage: serve"),
    "a silent death": (137, "", "no-answer", 4, "exit code 137"),
}


@pytest.mark.parametrize(("code", "stderr", "kind", "exit_code", "says"), SAYINGS.values(), ids=SAYINGS)
def test_cause(code: int, stderr: str, kind: str, exit_code: int, says: str) -> None:
    error = start_failure(code, stderr, entrypoint=("/serve",))

    assert (error.kind, error.exit_code) == (kind, exit_code)
    assert says in error.what
    assert error.why
    assert error.remedy


def test_only_a_missing_program_lets_us_try_another_interpreter() -> None:
    assert lacks_program(*SAYINGS["no Python by docker"][:2])
    assert not lacks_program(*SAYINGS["podman knows no CDI device"][:2])
    assert not lacks_program(*SAYINGS["a silent death"][:2])


def test_what_the_engine_could_not_hand_over_is_no_missing_program() -> None:
    """podman ends with 126 for both, and says "no such file" for both."""
    handing = [code_and_text[:2] for code_and_text in SAYINGS.values() if code_and_text[2].startswith(("cdi-", "gpu-"))]

    assert len(handing) > 6
    assert [each for each in handing if lacks_program(*each)] == []


def test_after_a_driver_s_upgrade_the_remedy_makes_the_description_anew() -> None:
    error = start_failure(
        *SAYINGS["a CDI description from before a driver's upgrade names a library"][:2], entrypoint=()
    )

    assert "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml" in error.remedy


def test_what_the_image_says_is_cut_to_a_bearable_length() -> None:
    assert len(start_failure(125, "Error: " + "x" * 100_000, entrypoint=()).what) < 1000
