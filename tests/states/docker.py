"""Stands in for docker's client: the answers of `STATE_DOCKER`, and a container that is a process of this machine.

Exit codes as `docker run --help` and docker's reference have them: 125 the daemon failed, 126 and 127 the command could
not be started, else the command's own. ``inspect`` and ``info`` print the JSON of the Engine API. ``refuses`` has the
ways of handing over GPUs (``cdi``, ``gpus``, ``runtime``) that the daemon refuses, each with its code and words.

``StartedAt`` of a container that was made and not started is the first second of the year 1, as with docker 28.2 and
podman 4.3.1. With ``run``, ``state`` says whether the container started; without it there is none, as after an option
that the client does not know.

With ``asks`` the registry of a login or a pull is asked over plain http: at a login with the user and password given,
which are kept in config.json under the host; at a pull with what config.json has for that very host.
"""

import base64
import itertools
import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

STATE = json.loads(os.environ["STATE_DOCKER"])
ID = "sha256:" + "ab" * 32
NEVER = "0001-01-01T00:00:00Z"


def end(code, stderr="", stdout=""):
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def ask(host, login):
    """Whether the registry lets that Authorization in, or nobody's."""
    ask = urllib.request.Request(f"http://{host}/v2/", headers={"Authorization": f"Basic {login}"} if login else {})
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(ask, timeout=60).close()
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def logins():
    """config.json, and the logins in it by their hosts."""
    path = pathlib.Path(os.environ.get("DOCKER_CONFIG") or pathlib.Path(os.environ["HOME"], ".docker"), "config.json")
    return path, json.loads(path.read_text()).get("auths", {}) if path.exists() else {}


def log_in(username, host):
    login = base64.b64encode(f"{username}:{sys.stdin.read()}".encode()).decode()
    if not ask(host, login):
        end(1, "Error response from daemon: unauthorized: incorrect username or password\n")
    path, known = logins()
    path.write_text(json.dumps({"auths": {**known, host: {"auth": login}}}))
    end(0, "", "Login Succeeded\n")


def pull(reference):
    if STATE.get("asks"):
        host = reference.partition("/")[0]
        ask(host, logins()[1].get(host, {}).get("auth", ""))
    end(*STATE.get("pull", (0,)))


def handed_over(options):
    if "--gpus" in options:
        yield "gpus"
    for name, value in itertools.pairwise(options):
        if (name, value) == ("--runtime", "nvidia"):
            yield "runtime"
        if name == "--device" and value.startswith("nvidia.com/gpu="):
            yield "cdi"


def run(rest):
    if "run" in STATE:
        end(*STATE["run"])
    options, command = rest[: rest.index(ID)], rest[rest.index(ID) + 1 :]
    for mode in handed_over(options):
        if mode in STATE.get("refuses", {}):
            end(*STATE["refuses"][mode])
    given = [value for name, value in itertools.pairwise(options) if name == "--env"]
    os.environ.update(pair.partition("=")[::2] for pair in given)
    nonce = command[-1]
    if STATE.get("python") == "none":
        end(127, f'docker: Error response from daemon: exec: "{command[0]}": executable file not found in $PATH\n')
    if STATE.get("says"):
        end(0, "", f"\n{nonce}{STATE['says']}\n")
    os.execv(sys.executable, [sys.executable, *command[1:]])


def main(argv):
    if argv[0] == "info":
        end(*STATE.get("info_fails", (0, "", json.dumps(STATE.get("info", {"Runtimes": {"nvidia": {}}})))))
    if argv[:2] == ["image", "inspect"]:
        end(
            *STATE.get(
                "inspect", (0, "", json.dumps([{"Id": ID, "Os": "linux", "Architecture": STATE["architecture"]}]))
            )
        )
    if argv[:2] == ["container", "inspect"]:
        if "run" in STATE and "state" not in STATE:
            end(1, "Error response from daemon: No such container: x\n", "[]\n")
        ran = not (STATE.get("refuses") or STATE.get("python") == "none")
        state = {"OOMKilled": False, "StartedAt": "2026-11-24T13:04:47.938874093Z" if ran else NEVER}
        end(0, "", json.dumps([{"State": state | STATE.get("state", {})}]))
    if argv[0] == "pull":
        pull(argv[-1])
    if argv[0] == "login" and STATE.get("asks"):
        log_in(argv[argv.index("--username") + 1], argv[-1])
    if argv[0] == "run":
        run(argv[1:])
    end(0)


main(sys.argv[1:])
