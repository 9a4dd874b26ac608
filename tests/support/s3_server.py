"""An S3 server of a test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable

AWAY = "http://127.0.0.1:9"
"""An address at which nobody listens."""


class S3:
    """An S3 server on loopback, and the requests that it got: method, path with query, authorization."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, *arguments: object) -> None:
                """Say nothing."""

        self.requests: list[tuple[str, str, str | None]] = []
        moto = DomainDispatcherApplication(create_backend_app)

        def recording(environ: dict, respond: Callable) -> object:
            path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
            self.requests.append((environ["REQUEST_METHOD"], path, environ.get("HTTP_AUTHORIZATION")))
            return moto(environ, respond)

        self._server = make_server("127.0.0.1", 0, recording, threaded=True, request_handler=Quiet)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def put(self, bucket: str, files: dict[str, bytes], access: str = "public-read") -> None:
        """Make a bucket of some files."""
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=self.address, **keys)
        client.create_bucket(Bucket=bucket, ACL=access)
        for name, content in files.items():
            client.put_object(Bucket=bucket, Key=name, Body=content, ACL=access)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
