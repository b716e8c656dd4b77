"""The few addresses of the Hugging Face hub that its client asks for a repository of small files, on this machine."""

import base64
import hashlib
import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

API = re.compile(
    r"/api/models/(?P<repo>[^/]+/[^/]+)(/(?P<what>revision|commit|preupload|tree|branch)/(?P<rev>[^?/]+))?"
)
FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<name>[^?]+)")


class Hub(ThreadingHTTPServer):
    """Repositories by name: each a list of commits, (oid, name → content); what was asked is kept."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.commits, self.asked = {}, []

    def at(self, repo, revision):
        """The commit of a revision; KeyError without one."""
        commits = self.commits[repo]
        return commits[-1] if revision == "main" else {oid: (oid, files) for oid, files in commits}[revision]

    def commit(self, repo, files):
        """Add files to what is there."""
        before = self.commits[repo][-1][1] if self.commits[repo] else {}
        content = {**before, **files}
        oid = hashlib.sha1(repr(sorted(content.items())).encode()).hexdigest()
        self.commits[repo].append((oid, content))
        return oid


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path}")
        path = unquote(self.path)
        try:
            if found := FILE.match(path):
                oid, files = self.server.at(found["repo"], found["rev"])
                content = files[found["name"]]
                tag = f'"{hashlib.sha1(content).hexdigest()}"'
                self.answer(content, {"X-Repo-Commit": oid, "ETag": tag, "X-Linked-Size": str(len(content))})
            elif found := API.match(path):
                oid, files = self.server.at(found["repo"], found["rev"] or "main")
                if found["what"] == "tree":
                    entries = [
                        {
                            "type": "file",
                            "path": name,
                            "size": len(files[name]),
                            "oid": hashlib.sha1(files[name]).hexdigest(),
                        }
                        for name in files
                    ]
                    self.answer(entries)
                else:
                    siblings = [{"rfilename": name} for name in files]
                    about = {"id": found["repo"], "modelId": found["repo"], "sha": oid, "siblings": siblings}
                    self.answer({**about, "tags": [], "private": False, "downloads": 0, "likes": 0})
            else:
                self.refuse("RepoNotFound")
        except KeyError as missing:
            known = missing.args[0] in str(path) and any(repo in path for repo in self.server.commits)
            self.refuse("RevisionNotFound" if known else "RepoNotFound")

    do_HEAD = do_GET

    def do_POST(self):
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path)
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked.get('organization') or 'ada'}/{asked['name']}"
            self.server.commits.setdefault(repo, [])
            if not self.server.commits[repo]:
                self.server.commit(repo, {})
            self.answer({"url": f"{self.server.address}/{repo}", "name": repo})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif (found := API.match(path)) and found["what"] == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.answer({"files": files})
        elif (found := API.match(path)) and found["what"] == "commit":
            lines = [json.loads(line) for line in body.splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            oid = self.server.commit(found["repo"], files)
            self.answer(
                {
                    "commitOid": oid,
                    "commitUrl": f"{self.server.address}/{found['repo']}/commit/{oid}",
                    "hookOutput": "",
                }
            )
        else:
            self.refuse("RepoNotFound")

    def answer(self, content, headers=None):
        if not isinstance(content, bytes):
            content, headers = (
                json.dumps(content).encode(),
                {"Content-Type": "application/json", **(headers or {})},
            )
        self.send_response(200)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, code):
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *about):
        pass


@contextmanager
def hub():
    """A hub that runs; its `address` is what HF_ENDPOINT names."""
    server = Hub()
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
