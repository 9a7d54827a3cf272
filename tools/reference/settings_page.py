"""docs/reference/settings.md, from `hornbeam.settings.Settings`."""

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hornbeam.settings import Settings
from tools.reference.markdown import kind, note, table

_INTRODUCTION = """\
# Settings

Every process reads its settings from environment variables when it starts: the API, the workers, the planner and
`hornbeam up`. None is required. The processes of one installation need the same `HORNBEAM_DATABASE_URL`,
`HORNBEAM_REDIS_URL` and `HORNBEAM_ARTIFACT_URL`.

A value that is not valid ends the process at once, with a message that names the setting.
"""

_CLOSING = """\
Credentials for S3 are found as botocore finds them: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
`AWS_DEFAULT_REGION`, a profile, or an instance's role.
"""

_DERIVED = {
    "database_url": "`hornbeam.db` in the data directory",
    "artifact_url": "`artifacts` in the data directory",
    "allowed_hosts": "`*`",
}
"""Defaults that the settings work out by themselves."""


def render() -> str:
    """The page."""
    schema = Settings.model_json_schema()["properties"]
    rows = [
        (f"`HORNBEAM_{name.upper()}`", _kind(name, schema[name]), _default(name, field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    heading = table(("variable", "type", "default", "meaning"), rows)
    return "\n".join((note("`hornbeam/settings.py`"), "", _INTRODUCTION, heading, "", _CLOSING))


def _kind(name: str, schema: dict[str, object]) -> str:
    if name == "data_dir":
        return "path"
    if name == "component_files":
        return "paths"
    if name in ("allowed_hosts", "source_hosts", "source_buckets"):
        return "names"
    return kind(schema).removesuffix(" or null")


def _default(name: str, field: FieldInfo) -> str:
    if name in _DERIVED:
        return _DERIVED[name]
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return "" if value in (None, ()) else f"`{value}`"
