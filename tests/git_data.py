"""GitHub's Git Data API over objects in memory: branches that only move forward, objects named by content."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

PERSON = {"name": "ci-gpu", "email": "ci-gpu@example.com", "date": "2026-11-23T08:00:00Z"}
UNVERIFIED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


class GitData:
    """The objects and branches of one repository."""

    def __init__(self, repository: str) -> None:
        self._root = f"/repos/{repository}/git"
        self._lock = threading.Lock()
        self.most = 100_000  # entries of one answer; docs.github.com/rest/git/trees
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[str, dict[str, str]] = {}
        self.commits: dict[str, dict[str, Any]] = {}
        self.branches: dict[str, str] = {}

    def files(self, branch: str = "ci-gpu-history") -> dict[str, bytes]:
        """Path to content at the tip of a branch."""
        tip = self.branches.get(branch)
        tree = self.trees[self.commits[tip]["tree"]] if tip else {}
        return {path: self.blobs[sha] for path, sha in tree.items()}

    def length(self, branch: str = "ci-gpu-history") -> int:
        """The number of commits: a fork in the branch would make it fewer than the additions."""
        count, sha = 0, self.branches.get(branch, "")
        while sha:
            count, sha = count + 1, next(iter(self.commits[sha]["parents"]), "")
        return count

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any] | None:
        """Status and document; None for a path that is no part of this API."""
        if not path.startswith(self._root):
            return None
        path, _, query = path.partition("?")
        noun, _, name = unquote(path).removeprefix(f"{self._root}/").partition("/")
        body = {**body, "recursive": "recursive=" in query} if noun == "trees" and method == "GET" else body
        with self._lock:
            handler = getattr(self, f"_{method.lower()}_{noun}", None)
            return handler(name, body) if handler else (404, _said("Not Found"))

    def _get_ref(self, name: str, _: Any) -> tuple[int, Any]:
        sha = self.branches.get(name.removeprefix("heads/"))
        return (200, self._ref(name, sha)) if sha else (404, _said("Not Found"))

    def _post_refs(self, _: str, body: dict[str, Any]) -> tuple[int, Any]:
        name = body["ref"].removeprefix("refs/heads/")
        if name in self.branches:
            return 422, _said("Reference already exists")
        self.branches[name] = body["sha"]
        return 201, self._ref(f"heads/{name}", body["sha"])

    def _patch_refs(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        branch = name.removeprefix("heads/")
        assert not body.get("force"), "nothing may ever be forced"
        if self.branches.get(branch) not in self.commits[body["sha"]]["parents"]:
            return 422, _said("Update is not a fast forward")
        self.branches[branch] = body["sha"]
        return 200, self._ref(name, body["sha"])

    def _post_blobs(self, _: str, body: dict[str, Any]) -> tuple[int, Any]:
        data = base64.b64decode(body["content"]) if body["encoding"] == "base64" else body["content"].encode()
        sha = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        self.blobs[sha] = data
        return 201, {"sha": sha, "url": self._url("blobs", sha)}

    def _get_blobs(self, sha: str, _: Any) -> tuple[int, Any]:
        if sha not in self.blobs:
            return 404, _said("Not Found")
        data = self.blobs[sha]
        content = base64.encodebytes(data).decode()
        fields = {"content": content, "encoding": "base64", "size": len(data), "node_id": "B_1"}
        return 200, {"sha": sha, "url": self._url("blobs", sha), **fields}

    def _post_trees(self, _: str, body: dict[str, Any]) -> tuple[int, Any]:
        tree = dict(self.trees[body["base_tree"]]) if "base_tree" in body else {}
        for item in body["tree"]:
            if item["sha"] is None:
                del tree[item["path"]]
            else:
                tree[item["path"]] = item["sha"]
        sha = _named(tree)
        self.trees[sha] = tree
        return 201, self._tree(sha)

    def _get_trees(self, name: str, query: Any) -> tuple[int, Any]:
        return 200, self._tree(name, recursive=query["recursive"])

    def _post_commits(self, _: str, body: dict[str, Any]) -> tuple[int, Any]:
        sha = _named([body, len(self.commits)])
        self.commits[sha] = {"tree": body["tree"], "parents": body.get("parents", []), "message": body["message"]}
        return 201, self._commit(sha)

    def _get_commits(self, sha: str, _: Any) -> tuple[int, Any]:
        return 200, self._commit(sha)

    def _ref(self, name: str, sha: str) -> dict[str, Any]:
        target = {"type": "commit", "sha": sha, "url": self._url("commits", sha)}
        return {"ref": f"refs/{name}", "node_id": "R_1", "url": self._url("refs", name), "object": target}

    def _tree(self, sha: str, *, recursive: bool = False) -> dict[str, Any]:
        """What is right in it, or with ``recursive`` also what is below that, up to the first ``most`` of all."""
        flat = self.trees[sha]
        blob = {"mode": "100644", "type": "blob"}
        items = [
            {"path": path, "sha": each, "size": len(self.blobs[each]), "url": self._url("blobs", each), **blob}
            for path, each in flat.items()
            if recursive or "/" not in path
        ]
        for folder in _folders(flat, recursive=recursive):
            below = {
                path.removeprefix(f"{folder}/"): each for path, each in flat.items() if path.startswith(f"{folder}/")
            }
            name = _named(below)
            self.trees[name] = below
            items.append(
                {"path": folder, "mode": "040000", "type": "tree", "sha": name, "url": self._url("trees", name)}
            )
        cut = len(items) > self.most
        return {"sha": sha, "url": self._url("trees", sha), "truncated": cut, "tree": items[: self.most]}

    def _commit(self, sha: str) -> dict[str, Any]:
        kept = self.commits[sha]
        parents = [{"sha": one, "url": self._url("commits", one), "html_url": _page(one)} for one in kept["parents"]]
        tree = {"sha": kept["tree"], "url": self._url("trees", kept["tree"])}
        return {
            "sha": sha,
            "node_id": "C_1",
            "url": self._url("commits", sha),
            "html_url": _page(sha),
            "author": PERSON,
            "committer": PERSON,
            "message": kept["message"],
            "tree": tree,
            "parents": parents,
            "verification": UNVERIFIED,
        }

    def _url(self, noun: str, name: str) -> str:
        return f"https://api.github.com{self._root}/{noun}/{name}"


def _folders(paths: Iterable[str], *, recursive: bool) -> list[str]:
    above = {"/".join(parts[:end]) for path in paths if (parts := path.split("/")) for end in range(1, len(parts))}
    return sorted(folder for folder in above if recursive or "/" not in folder)


def _said(message: str) -> dict[str, str]:
    return {"message": message, "documentation_url": "https://docs.github.com/rest"}


def _page(sha: str) -> str:
    return f"https://github.com/octo-org/octo-repo/commit/{sha}"


def _named(value: Any) -> str:
    return hashlib.sha1(json.dumps(value, sort_keys=True).encode()).hexdigest()
