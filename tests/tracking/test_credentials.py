"""Passwords of stores: not in a URI, not in a message, and named by their variables for other machines."""

from __future__ import annotations

from survey.tracking.credentials import check_no_password, variables_needed, without_passwords


def test_a_user_without_a_password_is_none_of_that():
    check_no_password("--tracking-uri", "postgresql+psycopg2://me@db/tracking")
    check_no_password("--tracking-uri", "postgresql+psycopg2://me@db/tracking?passfile=/home/me/.pgpass")
    check_no_password("--artifacts", "s3://bucket/prefix")


def test_no_form_of_a_password_is_shown():
    uri = "postgresql+psycopg2://me:a%20b@db/x?sslpassword=c%21d+e"
    for form in ("a%20b", "a b", "c%21d+e", "c!d+e", "c!d e"):
        assert without_passwords(f"<{form}>", uri) == "<***>"


def test_what_other_machines_need_is_known_by_name():
    here = {"PGPASSWORD": "", "AWS_REGION": "", "MLFLOW_TRACKING_TOKEN": "", "MLFLOW_S3_ENDPOINT_URL": ""}
    assert variables_needed({**here, "MLFLOW_TRACKING_URI": "", "PATH": "", "PGP_KEY": ""}) == sorted(here)
