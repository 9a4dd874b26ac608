"""What the MLflow server of a launch serves: MLflow's own application, for a server that has no login.

MLflow names it by an entry point of the group `mlflow.app`. Each search for runs imports MLflow's login anew. Without
the packages that it needs the import fails every time, and of threads that search at once one may find the module half
imported, which it answers with status 500. With them, a search asks for a login that this server does not have.
"""

import sys

sys.modules["mlflow.server.auth"] = None  # type: ignore[assignment]  # an import of it fails at once, in each thread

from mlflow.server.fastapi_app import app  # noqa: E402

__all__ = ["app"]
