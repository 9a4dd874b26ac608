"""Tasks: the tables that networks are trained on, found by name and prepared as BUTTER prepared them."""

from survey.tasks.catalog import BUNDLED as BUNDLED
from survey.tasks.catalog import PUBLISHED as PUBLISHED
from survey.tasks.catalog import Kind as Kind
from survey.tasks.loading import TaskDescription as TaskDescription
from survey.tasks.loading import describe as describe
from survey.tasks.loading import fetch as fetch
from survey.tasks.loading import load as load
from survey.tasks.names import canonical_name as canonical_name
from survey.tasks.names import check_name as check_name
from survey.tasks.names import known_names as known_names
from survey.tasks.names import user_name_problem as user_name_problem
from survey.tasks.own import UserTask as UserTask
from survey.tasks.preparation import lines as lines
from survey.tasks.preparation import told as told
from survey.tasks.prepared import PreparedTask as PreparedTask
