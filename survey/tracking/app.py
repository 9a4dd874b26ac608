"""What the MLflow server of a launch serves: MLflow's own application, for a server that has no login.

MLflow names it by an entry point of the group `mlflow.app`. Each search for runs imports MLflow's login anew. Without
the packages that it needs the import fails every time, and of threads that search at once one may find the module half
imported, which it answers with status 500. With them, a search asks for a login that this server does not have.

It adds one address, `survey.tracking.ui_view.PATH`: the entrance to the page of the survey that was launched last.
"""

import os
import sys

sys.modules["mlflow.server.auth"] = None  # type: ignore[assignment]  # an import of it fails at once, in each thread

from mlflow import MlflowClient  # noqa: E402
from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR  # noqa: E402
from mlflow.server.fastapi_app import app  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import HTMLResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from survey.tracking.tags import OUTPUT  # noqa: E402
from survey.tracking.ui_view import PATH, entrance, page  # noqa: E402

__all__ = ["app"]


def _enter(request: Request) -> HTMLResponse:
    client = MlflowClient(os.environ[BACKEND_STORE_URI_ENV_VAR])
    latest = client.search_experiments(
        filter_string=f"tags.`{OUTPUT}` LIKE '%'", order_by=["last_update_time DESC"], max_results=1
    )
    return HTMLResponse(entrance(page("", latest[0].experiment_id) if latest else "/"))


app.router.routes.insert(0, Route(PATH, _enter))  # before MLflow's pages, which answer all that is left
