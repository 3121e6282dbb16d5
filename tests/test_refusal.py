"""What the engines said, as they said it, and the letter that a user gets for it."""

from __future__ import annotations

import pytest

from ci_gpu import refusal
from ci_gpu.model import ImageRef

REF = ImageRef.parse("pytorch/pytorch:2.9.0-cuda11.8-devel")

# Captured from podman 4.3.1 and docker 20.10 / 28.2 against a registry that plays each failure.
SAYINGS = [
    ("toomanyrequests: You have reached your unauthenticated pull rate limit.", "rate-limited"),
    ("failed to register layer: write /big: no space left on device", "no-space"),
    ("no matching manifest for linux/amd64 in the manifest list entries", "wrong-platform"),
    ('no image found in manifest list for architecture amd64, variant "", OS linux', "wrong-platform"),
    ('Error: x: no image found in image index for architecture amd64, variant "", OS linux', "wrong-platform"),
    ("Error response from daemon: manifest for x:y not found: manifest unknown: manifest unknown", "tag-not-found"),
    ("reading manifest y in docker.io/x: manifest unknown", "tag-not-found"),
    ('failed to resolve reference "docker.io/x:y": docker.io/x:y: not found', "tag-not-found"),
    ("Error response from daemon: name unknown: repository name not known to registry", "repo-not-found"),
    ("pull access denied for x, repository does not exist or may require 'docker login'", "unauthorized"),
    ("errors: denied: requested access to the resource is denied", "unauthorized"),
    ("unauthorized: authentication required", "unauthorized"),
    ("Error response from daemon: Head http://x/v2/a/manifests/1: no basic auth credentials", "unauthorized"),
    ("Error: invalid reference format: repository name must be lowercase", "bad-reference"),
    ("dial tcp: lookup registry-1.docker.io on 8.8.8.8:53: no such host", "registry-unreachable"),
    ("dial tcp 127.0.0.1:9: connect: connection refused", "registry-unreachable"),
    ("received unexpected HTTP status: 503 Service Unavailable", "registry-unreachable"),
    ("x509: certificate signed by unknown authority", "registry-unreachable"),
    ("http: server gave HTTP response to HTTPS client", "registry-unreachable"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "engine-down"),
    ("permission denied while trying to connect to the Docker daemon socket at unix:///x.sock", "engine-down"),
    ("something that nobody has ever seen", "pull-failed"),
    ("", "pull-failed"),
]


@pytest.mark.parametrize(("said", "kind"), SAYINGS)
def test_what_an_engine_says_is_one_kind_with_a_remedy(said: str, kind: str) -> None:
    error = refusal.failure(REF, said)

    assert (error.kind, error.exit_code) == (kind, 3)
    assert str(REF) in error.what
    assert error.why
    assert error.remedy


@pytest.mark.parametrize("said", [line for line, kind in SAYINGS if kind != "pull-failed"])
@pytest.mark.parametrize("name", ["127.0.0.1:503/denied/eof:429", "docker.io/no-such-host/x509:5.500"])
def test_a_name_that_reads_like_a_failure_changes_nothing(said: str, name: str) -> None:
    ref = ImageRef.parse(name)

    assert refusal.failure(ref, f"Trying to pull {name}...\nError: {ref}: {said}").kind == refusal.cause(said)
    assert refusal.failure(ref, f"Error: initializing {name}: nobody knows").kind == "pull-failed"


def test_progress_before_the_error_is_not_read() -> None:
    said = "a1b2: Downloading 503.1 MB/5.1 GB\nlayer eof: retrying\nError: storage-driver broke"

    assert refusal.failure(REF, said).kind == "pull-failed"
    assert "storage-driver broke" in refusal.failure(REF, said).what


def test_the_article_s_tag_suggests_tags_that_exist() -> None:
    error = refusal.no_such_tag(REF, ())

    assert error.kind == "tag-not-found"
    assert "pytorch/pytorch:2.9.0-cuda12.6-cudnn9-devel" in error.remedy
    assert "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-devel" in error.remedy
    assert "as far as we know" in error.remedy


def test_where_the_registry_tells_its_tags_they_are_believed_and_ours_are_not() -> None:
    error = refusal.no_such_tag(REF, ("2.9.0-cuda13.0-cudnn9-devel",))

    assert error.remedy == "the nearest of its 1 tags: pytorch/pytorch:2.9.0-cuda13.0-cudnn9-devel"


def test_where_nothing_is_near_nothing_is_suggested() -> None:
    error = refusal.no_such_tag(ImageRef.parse("example.org/own/image:v7"), ("nightly",))

    assert "nightly" not in error.remedy
    assert error.remedy == "look up the tags of the repository in its registry"


def test_a_missing_digest_is_no_missing_tag() -> None:
    error = refusal.no_such_tag(REF.pinned("sha256:" + "0" * 64), ("2.9.0-cuda13.0-cudnn9-devel",))

    assert "no image of that digest" in error.what
    assert "2.9.0" not in error.remedy


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error: logging into x: invalid username/password", "unauthorized"),
        (
            "Error response from daemon: login attempt to http://x/v2/ failed with status: 401 Unauthorized",
            "unauthorized",
        ),
        ("dial tcp 127.0.0.1:9: connect: connection refused", "registry-unreachable"),
        ("Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?", "engine-down"),
        ("what nobody has seen", "unauthorized"),
    ],
)
def test_a_login_that_fails_is_told_from_a_registry_that_is_away(said: str, kind: str) -> None:
    assert refusal.no_login("registry.example", said).kind == kind
